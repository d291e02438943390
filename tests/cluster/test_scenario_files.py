"""Scenario files: what a valid file becomes, includes, overrides, splits, extension in TOML alone."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from octogym.cluster.loading import load_scenario
from octogym.cluster.loading.document import dotted, parts
from octogym.cluster.loading.schema import SCENARIO, Key, Named, Table
from octogym.cluster.settings import DEADLINE, Settings
from octogym.cluster.workload import END_ERROR, END_LOOP, END_UNAVAILABLE
from tests.cluster.small_scenario import VALID, write

MS = 1_000_000
DOCS = Path(__file__).resolve().parents[2] / "docs" / "scenarios.md"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return write(tmp_path)


def test_order_and_ids(gate: Path) -> None:
    cluster = load_scenario(gate).cluster
    assert [device.id for device in cluster.devices] == ["node1", "node2", "hub"]
    assert [camera.id for camera in cluster.cameras] == ["west", "east"]
    assert [stage.name for stage in cluster.stages] == ["gate.detector", "gate.plate", "gate.read"]
    assert [instance.id for instance in cluster.instances] == [
        "node1/gate.detector",
        "node1/gate.plate",
        "node2/gate.detector",
        "node2/gate.plate",
        "hub/gate.plate",
        "hub/gate.plate#1",
        "hub/gate.read",
    ]
    assert [instance.gpu for instance in cluster.instances] == [0, 0, 1, 1, 2, 3, 2]


def test_stages_edges_and_children(gate: Path) -> None:
    cluster = load_scenario(gate).cluster
    first, plate, read = cluster.stages
    assert (first.first, plate.first, read.first) == (True, False, False)
    assert plate.children == (0.25, 0.5, 0.25)
    assert read.queues == (100, 10, 100, 10, 100)
    assert cluster.classes == ("car",)
    edges = [(edge.source, edge.target, edge.object_class, edge.crop_bytes) for edge in cluster.edges]
    assert edges == [(0, 1, 0, 6000), (1, 2, -1, 2000)]


def test_formula_profile(gate: Path) -> None:
    profile = load_scenario(gate).cluster.instances[0].profile
    # 3 ms + b x 4 GFLOP / (1 TFLOPS x 0.5), the device's limit of 8 frames, threefold pre and post times
    assert profile.infer_ns == tuple((3 + 8 * b) * MS for b in range(1, 9))
    assert (profile.pre_ns, profile.post_ns) == (3 * MS, 1.5 * MS)
    assert not profile.measured
    assert "synthetic" in profile.provenance


def test_written_profiles(gate: Path) -> None:
    scenario = load_scenario(gate)
    plate, read = scenario.cluster.instances[4].profile, scenario.cluster.instances[6].profile
    assert plate.infer_ns == (1 * MS, 1.5 * MS, 2 * MS, 2.5 * MS)
    assert plate.measured
    assert "TensorRT 8.5 FP32" in plate.provenance
    assert read.infer_ns[3] == 2 * MS
    assert read.max_batch == 32
    assert scenario.synthetic_profiles  # one synthetic profile is enough


def test_limits_and_settings(gate: Path) -> None:
    detector, plate = load_scenario(gate).cluster.instances[:2]
    assert detector.action_sizes == (2, 8, 2)  # packing limited by the device type, 4 by the model
    assert plate.action_sizes == (1, 8, 2)
    assert plate.initial == Settings(1, 2, 1, 1, 40 * MS)
    assert plate.safe == plate.initial


def test_safe_settings_differ_where_stated(tmp_path: Path) -> None:
    text = VALID.replace("timeout_ms = 40 }", 'timeout_ms = "deadline" }\nsafe = { batch = 1 }')
    plate = load_scenario(write(tmp_path, text)).cluster.instances[1]
    assert plate.initial.timeout_ns == DEADLINE
    assert plate.safe == Settings(1, 1, 1, 1, DEADLINE)


def test_routes_and_shares(gate: Path) -> None:
    cluster = load_scenario(gate).cluster
    groups: dict = {}
    for route in cluster.routes:
        names = [i.id for i in cluster.instances] + [c.id for c in cluster.cameras]
        groups.setdefault(names[route.source], []).append((names[route.target], route.share_milli))
    # local first; the share of an entry is split over what it matches
    assert groups["node1/gate.detector"] == [
        ("node1/gate.plate", 700),
        ("hub/gate.plate", 150),
        ("hub/gate.plate#1", 150),
    ]
    # no local reader: the server's
    assert groups["node1/gate.plate"] == [("hub/gate.read", 1000)]
    # cameras send to their own device's detector
    assert groups["west"] == [("node1/gate.detector", 1000)]


def test_shares_sum_to_1000_in_every_group_of_every_shipped_scenario() -> None:
    for name in ("traffic-2", "fcpo-testbed", "campus-16-rack", "scale-7"):
        cluster = load_scenario(name, traces="synthetic").cluster
        total = np.bincount([r.group for r in cluster.routes], [r.share_milli for r in cluster.routes])
        assert (total == 1000).all(), name


def test_top_level_settings(gate: Path) -> None:
    cluster = load_scenario(gate).cluster
    assert cluster.slo_ns == {"gate": 200 * MS}
    assert (cluster.period_ns, cluster.link_latency_ns) == (1000 * MS, 5 * MS)
    assert (cluster.lazy_drop, cluster.settings_validity, cluster.share_validity) == (True, 3, 30)
    other = load_scenario(
        gate, drop="none", period_s=0.5, link_latency_ms=0, settings_validity=7, share_validity=9
    ).cluster
    assert (other.lazy_drop, other.period_ns, other.link_latency_ns) == (False, 500 * MS, 0)
    assert (other.settings_validity, other.share_validity) == (7, 9)


def test_simulator_options(gate: Path) -> None:
    options = load_scenario(
        gate, {"simulator": {"pause_ms": 0, "spread": "wrr", "delay_steps": 1, "contention": False}}
    ).options
    assert (options.pause_ns, options.spread, options.delay_steps, options.contention) == (0, "wrr", 1, False)


def test_overrides_dotted_and_nested(gate: Path) -> None:
    assert load_scenario(gate, slo_ms=100).cluster.slo_ns == {"gate": 100 * MS}
    assert load_scenario(gate, {"pipelines.gate.slo_ms": 50}).cluster.slo_ns == {"gate": 50 * MS}
    nested = load_scenario(gate, {"devices": {"node": {"count": 3}}, "cameras.west.fps": 20})
    assert nested.cluster.D == 4
    assert nested.cluster.cameras[0].fps == 20


@pytest.mark.parametrize("path", [("a", "b-1"), ("a.b", "c"), ("x", "agx/1", "y")])
def test_dotted_keys_read_back(path: tuple) -> None:
    assert tuple(parts(dotted(path))) == path


def test_include_lets_a_file_extend_another(gate: Path) -> None:
    mine = gate.parent / "mine.toml"
    mine.write_text(
        """
include = ["gate.toml"]
description = "with a third node of a new type, a new model in the pipeline and another load"

[device_types.tiny]
cores = 2
fixed_ms = 6.0
peak_tflops = 0.5
max_batch = 4
pre_post_scale = 6.0

[devices.spare]
type = "tiny"

[models.colour]
gflop = 0.2
pre_ms = 0.2
post_ms = 0.1

[pipelines.gate.stages.detector.to]
colour = { class = "car" }
[pipelines.gate.stages.colour]

[placement.colour]
devices = ["node*", "spare"]
stages = "gate.colour"

[cameras.south]
device = "spare"
pipeline = "gate"
fps = 5
series = "counts/west"

[placement.spare]
devices = "spare"
stages = "gate.detector"

[programme.day]
period_s = 30
"""
    )
    scenario = load_scenario(mine)
    assert scenario.name == "mine"
    assert scenario.description.startswith("with a third node")
    ids = [instance.id for instance in scenario.cluster.instances]
    assert {"node1/gate.colour", "spare/gate.colour", "spare/gate.detector"} <= set(ids)
    assert scenario.cluster.instances[ids.index("spare/gate.colour")].max_batch == 4
    assert len(scenario.plan(0).cameras[0].start_ns) > 12  # the day's steps


def test_shipped_profiles_can_be_included(tmp_path: Path) -> None:
    text = VALID.replace("[devices.hub]", '[devices.nano]\ntype = "orin-nano"\n[devices.hub]')
    file = write(tmp_path, 'include = ["octogym:profiles/devices.toml"]\n' + text)
    assert load_scenario(file).cluster.devices[2].type.name == "orin-nano"


def test_variant_has_own_id_profile_and_recall(tmp_path: Path) -> None:
    light = (
        '[placement.light]\ndevices = "node1"\nstages = "gate.plate"\nvariant = "small"\nactive = false\nagent = true\n'
    )
    cluster = load_scenario(write(tmp_path, VALID + light)).cluster
    small = cluster.instances[cluster.index["node1/gate.plate@small"]]
    plain = cluster.instances[cluster.index["node1/gate.plate"]]
    assert small.recall == 0.9
    assert (small.active, small.agent_controlled) == (False, True)
    assert small.profile.infer_ns[0] == 4 * MS < plain.profile.infer_ns[0]
    assert small.stage == plain.stage


def test_replicas_go_round_the_gpus_or_where_they_are_put(tmp_path: Path) -> None:
    text = VALID.replace("replicas = 2", "replicas = 3\ngpu = [1, 0]")
    cluster = load_scenario(write(tmp_path, text)).cluster
    assert [i.gpu for i in cluster.instances if i.id.startswith("hub/gate.plate")] == [3, 2, 3]


# --------------------------------------------------------------------------------------------------------------- traces


def test_tables_hold_the_part_of_the_split(gate: Path) -> None:
    train, test = load_scenario(gate), load_scenario(gate, split="test")
    everything = load_scenario(gate, split="all")
    row = train.counts.names.index("counts/west")
    assert train.counts.length[row] == 700
    assert test.counts.length[row] == 300
    joined = np.concatenate([train.counts.counts[row, 0, :700], test.counts.counts[row, 0, :300]])
    assert np.array_equal(joined, everything.counts.counts[row, 0])
    assert train.rates.end_ns[0] + test.rates.end_ns[0] == everything.rates.end_ns[0]


def test_unavailable_samples_stay_unavailable(tmp_path: Path) -> None:
    file = write(tmp_path)
    rows = "".join(f"{k},{3 if k < 60 else 0},{k % 4}\n" for k in range(100))
    (tmp_path / "city.csv").write_text("Time(s),west,east\n" + rows)
    scenario = load_scenario(
        file,
        {
            "traces": [f"file:{tmp_path}/city.csv", f"file:{tmp_path}/rates.csv"],
            "cameras.west.series": "city/west",
            "cameras.west.scenes": [],
            "cameras.east.series": "city/east",
            "split": "all",
        },
    )
    west = scenario.counts.counts[scenario.counts.names.index("city/west")]
    assert (west[:, 60:] == -1).all()
    assert (west[:, :60] == 3).all()


@pytest.mark.parametrize(("word", "end"), [("loop", END_LOOP), ("unavailable", END_UNAVAILABLE), ("error", END_ERROR)])
def test_end_policy(gate: Path, word: str, end: int) -> None:
    scenario = load_scenario(gate, end=word)
    assert scenario.counts.end == scenario.rates.end == end


def test_split_has_its_own_horizon_unless_overridden(tmp_path: Path) -> None:
    file = write(tmp_path, VALID.replace("part = [0.7, 1.0]", "part = [0.7, 1.0]\nhorizon_s = 30"))
    assert load_scenario(file).horizon_s == 60
    assert load_scenario(file, split="test").horizon_s == 30
    assert load_scenario(file, split="test", horizon_s=20).horizon_s == 20


def test_ranked_horizon_may_fill_the_trace(gate: Path) -> None:
    assert load_scenario(gate, ranked=True, horizon_s=70).horizon_s == 70


def test_says_what_is_synthetic(gate: Path) -> None:
    files = load_scenario(gate)
    assert not files.synthetic_traces
    assert "file:counts.json" in files.provenance["traces"]
    made = load_scenario("traffic-2", traces="synthetic", trace_seed=3)
    assert made.synthetic_traces
    assert made.provenance["traces"] == "synthetic, seed 3"
    other = load_scenario("traffic-2", traces="synthetic", trace_seed=4)
    assert not np.array_equal(made.counts.counts, other.counts.counts)


def test_auto_takes_synthetic_traces_where_there_are_no_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octogym.cluster.loading.series.find_data", lambda: None)
    assert load_scenario("traffic-2").synthetic_traces


@pytest.mark.data
def test_auto_takes_the_real_traces_where_they_are() -> None:
    from octogym.cluster.traces import find_data

    if find_data() is None:
        pytest.skip("the real traces are not on this machine")
    scenario = load_scenario("traffic-2")
    assert not scenario.synthetic_traces
    assert scenario.provenance["traces"] == "real"


def test_own_series_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"square": {"car": [4] * 600}}))
    (tmp_path / "mine.toml").write_text(
        'include = ["octogym:scenarios/traffic-2.toml"]\ntraces = ["synthetic", "file:mine.json"]\n'
        '[cameras.crossing-1]\nseries = "mine/square"\nscenes = []\n'
    )
    assert "mine/square" in load_scenario(tmp_path / "mine.toml").counts.names


# ----------------------------------------------------------------------------------------------------------------- docs


def blocks() -> list:
    """The TOML blocks of the page."""
    if not DOCS.is_file():
        pytest.skip("the documentation is not beside the package")
    return re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_documented_example_of_an_include_loads(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('traces = "synthetic"\n' + blocks()[0])
    assert load_scenario(tmp_path / "mine.toml").cluster.devices[0].type.name == "agx-orin"


def test_documented_extensions_load_together(tmp_path: Path) -> None:
    parts_ = [block for block in blocks()[1:] if "traces =" not in block]
    assert len(parts_) == 5
    head = 'include = ["octogym:scenarios/traffic-2.toml"]\ntraces = "synthetic"\n'
    (tmp_path / "mine.toml").write_text(head + "\n".join(parts_))
    scenario = load_scenario(tmp_path / "mine.toml")
    ids = scenario.cluster.index
    assert {"cam-3/site.yolov5n", "cam-3/site.helmet", "server/site.arcface"} <= set(ids)
    assert scenario.cluster.instances[ids["cam-3/site.helmet"]].profile.measured


@pytest.mark.parametrize("kind", ["bursty", "day"])
def test_kinds_of_synthetic_traces(kind: str) -> None:
    scenario = load_scenario("traffic-2", traces=f"synthetic:{kind}")
    assert scenario.synthetic_traces
    assert scenario.provenance["traces"] == f"synthetic:{kind}, seed 0"


def keys_of(schema: object) -> set:
    if isinstance(schema, Table):
        return set(schema.keys).union(*(keys_of(inner) for inner in schema.keys.values()))
    if isinstance(schema, Named):
        return keys_of(schema.entry)
    assert isinstance(schema, Key)
    return set()


def test_every_key_is_documented() -> None:
    if not DOCS.is_file():
        pytest.skip("the documentation is not beside the package")
    written = set(re.findall(r"`([a-z_]+)`", DOCS.read_text(encoding="utf-8")))
    assert keys_of(SCENARIO) | {"include"} <= written
