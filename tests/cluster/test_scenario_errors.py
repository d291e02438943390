"""Every way to damage a scenario file gives a ScenarioError that names file, key, value and what is allowed."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octogym.cluster.errors import ScenarioError, TraceError
from octogym.cluster.loading import load_scenario
from tests.cluster.small_scenario import VALID, write

ANY = object()


def swap(old: str, new: str) -> str:
    assert VALID.count(old) >= 1, old
    return VALID.replace(old, new, 1)


def add(text: str) -> str:
    return VALID + "\n" + text


def top(line: str) -> str:
    return line + "\n" + VALID


#: name -> (text, key, value, part of what is allowed)
DAMAGE = {
    # unknown keys, with a hint
    "unknown top key": (top("horizon = 60"), "horizon", 60, "did you mean 'horizon_s'"),
    "unknown table": (
        add("[device_type.x]\ncores = 1"),
        "device_type",
        {"x": {"cores": 1}},
        "did you mean 'device_types'",
    ),
    "unknown device key": (swap('role = "server"', 'rule = "server"'), "devices.hub.rule", "server", "role"),
    "unknown programme key": (add("[programme.switch]\ndwell_s = 3"), "programme.switch", {"dwell_s": 3}, "switches"),
    "unknown settings key": (
        swap("timeout_ms = 40", "timeout = 40"),
        "placement.edge.initial.timeout",
        40,
        "did you mean 'timeout_ms'",
    ),
    "unknown edge key": (
        swap("crop_bytes = 2000", "crop_byte = 2000"),
        "pipelines.gate.stages.plate.to.read.crop_byte",
        2000,
        "crop_bytes",
    ),
    # types
    "string for a number": (swap("slo_ms = 200", 'slo_ms = "200"'), "slo_ms", "200", "a number above 0 (ms)"),
    "number for a string": (swap('type = "board"', "type = 3"), "devices.node.type", 3, "a string"),
    "float for a whole number": (
        swap("count = 2", "count = 2.5"),
        "devices.node.count",
        2.5,
        "a whole number at least 1",
    ),
    "boolean for a number": (swap("fps = 10", "fps = true"), "cameras.west.fps", True, "a number at least 0.1"),
    "number for a boolean": (swap("replicas = 2", "active = 1"), "placement.hub.active", 1, "true or false"),
    "value for a table": (
        swap("[programme.switches]\ndwell_s = [10, 20]\nfactor = [0.5, 2.0]", "[programme]\nswitches = 5"),
        "programme.switches",
        5,
        "a table with keys dwell_s",
    ),
    "table for a value": (swap("horizon_s = 60", "horizon_s = { s = 60 }"), "horizon_s", {"s": 60}, "a whole number"),
    "not finite": (swap("slo_ms = 200", "slo_ms = inf"), "slo_ms", float("inf"), "a number above 0"),
    "empty list": (swap('devices = "hub"', "devices = [1]"), "placement.hub.devices", [1], "a list of strings"),
    "list too short": (
        swap("queues = [100, 10, 100, 10, 100]", "queues = [100, 10]"),
        "models.read.queues",
        [100, 10],
        "5",
    ),
    # bounds
    "no core": (swap("cores = 4", "cores = 0"), "device_types.board.cores", 0, "at least 1"),
    "lanes above 8": (swap("lanes = 4", "lanes = 9"), "device_types.box.lanes", 9, "at most 8"),
    "threads above 8": (swap("batch = 2,", "batch = 2, pre = 9,"), "placement.edge.initial.pre", 9, "at most 8"),
    "post threads 0": (swap("batch = 2,", "batch = 2, post = 0,"), "placement.edge.initial.post", 0, "at least 1"),
    "pack above 4": (swap("max_pack = 4", "max_pack = 5"), "models.detector.max_pack", 5, "at most 4"),
    "thread actions": (
        swap("thread_actions = 4", "thread_actions = 5"),
        "device_types.box.thread_actions",
        5,
        "at most 4",
    ),
    "queue of capacity 0": (
        swap("queues = [100, 10, 100, 10, 100]", "queues = [100, 0, 100, 10, 100]"),
        "models.read.queues",
        [100, 0, 100, 10, 100],
        "at least 1",
    ),
    "no time": (swap("pre_ms = 0.5", "pre_ms = 0"), "models.plate.pre_ms", 0, "above 0"),
    "negative SLO": (swap("slo_ms = 200", "slo_ms = -1"), "slo_ms", -1, "above 0"),
    "efficiency": (swap("peak_tflops = 1.0", "efficiency = 1.5"), "device_types.board.efficiency", 1.5, "at most 1"),
    "recall above 1": (swap("recall = 0.9", "recall = 1.1"), "models.plate.variants.small.recall", 1.1, "at most 1"),
    "negative timeout": (
        swap("timeout_ms = 40", "timeout_ms = -2"),
        "placement.edge.initial.timeout_ms",
        -2,
        "deadline",
    ),
    "word for a timeout": (
        swap("timeout_ms = 40", 'timeout_ms = "late"'),
        "placement.edge.initial.timeout_ms",
        "late",
        "deadline",
    ),
    "range backwards": (
        swap("dwell_s = [10, 20]", "dwell_s = [20, 10]"),
        "programme.switches.dwell_s",
        [20, 10],
        "ascending",
    ),
    "range of three": (
        swap("dwell_s = [10, 20]", "dwell_s = [1, 2, 3]"),
        "programme.switches.dwell_s",
        [1, 2, 3],
        "two numbers",
    ),
    "dwell of 0": (swap("dwell_s = [10, 20]", "dwell_s = 0"), "programme.switches.dwell_s", 0, "at least 0.1"),
    "part beyond the series": (
        swap("part = [0.7, 1.0]", "part = [0.7, 1.2]"),
        "splits.test.part",
        [0.7, 1.2],
        "at most 1",
    ),
    # choices
    "role": (swap('role = "server"', 'role = "servr"'), "devices.hub.role", "servr", "did you mean 'server'"),
    "drop": (top('drop = "late"'), "drop", "late", "one of 'lazy', 'none'"),
    "end": (top('end = "repeat"'), "end", "repeat", "one of 'loop', 'unavailable', 'error'"),
    "spread": (add('[simulator]\nspread = "random"'), "simulator.spread", "random", "'tijdeman', 'wrr'"),
    "offset": (top('programme.offset = "each"'), "programme.offset", "each", "'independent', 'common', 'none'"),
    "day upside down": (
        add("[programme.day]\nperiod_s = 9\nlow = 1\nhigh = 0.5"),
        "programme.day.low",
        1.0,
        "at most high = 0.5",
    ),
    # missing keys
    "no cores": (swap("cores = 4\n", ""), "device_types.board.cores", None, "must be given"),
    "no type": (swap('type = "board"\n', ""), "devices.node.type", None, "must be given"),
    "no series": (swap('series = "counts/east"', ""), "cameras.east.series", None, "must be given"),
    "no SLO": (swap("slo_ms = 200", ""), "pipelines.gate.slo_ms", None, "top-level slo_ms"),
    "no class": (
        swap('plate = { class = "car" }', "plate = {}"),
        "pipelines.gate.stages.detector.to.plate.class",
        None,
        "class of objects",
    ),
    "no period": (add("[programme.day]\nlow = 0.5"), "programme.day.period_s", None, "must be given"),
    # references
    "device type": (swap('type = "board"', 'type = "bord"'), "devices.node.type", "bord", "did you mean 'board'"),
    "camera's device": (
        swap('device = "node2"', 'device = "node3"'),
        "cameras.east.device",
        "node3",
        "node1, node2, hub",
    ),
    "camera's pipeline": (
        swap('pipeline = "gate"', 'pipeline = "gates"'),
        "cameras.west.pipeline",
        "gates",
        "did you mean 'gate'",
    ),
    "camera's series": (
        swap('series = "counts/east"', 'series = "counts/eest"'),
        "cameras.east.series",
        "counts/eest",
        "counts/east",
    ),
    "camera's scenes": (
        swap('"counts/west", "counts/east"', '"counts/q*"'),
        "cameras.west.scenes",
        "counts/q*",
        "counts/west",
    ),
    "series of another class": (
        swap('series = "counts/east"', 'series = "counts/yard"'),
        "cameras.east.series",
        "counts/yard",
        "class car; it has person",
    ),
    "uplink": (swap('uplink = "rates"', 'uplink = "5g/x"'), "devices.node.uplink", "5g/x", "rates"),
    "availability": (
        swap('uplink = "rates"', 'availability = "churn/a"'),
        "devices.node.availability",
        "churn/a",
        "availability series",
    ),
    "stage that is no model": (swap("[pipelines.gate.stages.read]", "[pipelines.gate.stages.write]"), ANY, ANY, "read"),
    "edge to no stage": (
        swap("to.read = {", "to.rade = {"),
        "pipelines.gate.stages.plate.to.rade",
        "rade",
        "did you mean 'read'",
    ),
    "profile's device type": (
        add('[profiles.bax.plate]\ninfer_ms = 1\npre_ms = 1\npost_ms = 1\nprovenance = "x"'),
        "profiles.bax",
        "bax",
        "box",
    ),
    "profile's model": (
        add('[profiles.box.plates]\ninfer_ms = 1\npre_ms = 1\npost_ms = 1\nprovenance = "x"'),
        "profiles.box.plates",
        "plates",
        "plate@small",
    ),
    "placement's device": (
        swap('devices = "hub"', 'devices = "hab"'),
        "placement.hub.devices",
        "hab",
        "did you mean 'hub'",
    ),
    "placement's stage": (
        swap('stages = "gate.read"', 'stages = "gate.reed"'),
        "placement.reader.stages",
        "gate.reed",
        "gate.read",
    ),
    "placement's variant": (
        swap("replicas = 2", 'variant = "smal"'),
        "placement.hub.variant",
        "smal",
        "did you mean 'small'",
    ),
    "placement's GPU": (swap("replicas = 2", "gpu = 2"), "placement.hub.gpu", 2, "0 to 1"),
    "route's source": (
        swap('from = "node*/gate.detector"', 'from = "nude*"'),
        "routes.offload.from",
        "nude*",
        "node1/gate.detector",
    ),
    "route's target": (
        swap('to = ["{device}/gate.plate", "hub/gate.plate*"]\nshare_milli = [700, 300]', 'to = "hub/gate.reed"'),
        "routes.offload.to",
        ["hub/gate.reed"],
        "hub/gate.read",
    ),
    "programme's cameras": (
        add('[programme.streams]\non_s = 5\noff_s = 5\ncameras = "north"'),
        "programme.streams.cameras",
        "north",
        "west, east",
    ),
    "programme's devices": (
        add('[programme.churn]\npresent_s = 5\nabsent_s = 5\ndevices = "nod"'),
        "programme.churn.devices",
        "nod",
        "node1",
    ),
    "split": (top('split = "validation"'), "split", "validation", "all, train, test"),
    "traces": (swap('"file:rates.csv"', '"reel"'), "traces", "reel", "did you mean 'real'"),
    "kind of synthetic traces": (
        swap('"file:rates.csv"', '"synthetic:busty"'),
        "traces",
        "synthetic:busty",
        "did you mean 'bursty'",
    ),
    "trace file": (swap('"file:rates.csv"', '"file:speeds.csv"'), "traces", "file:speeds.csv", "a file or folder"),
    "trace file's rate": (swap("rate_hz=10", "hz=ten"), "traces", "file:counts.json?hz=ten", "rate_hz=NUMBER"),
    "include": (top('include = ["other.toml"]'), "include", "other.toml", "a file beside gate.toml"),
    "shipped include": (
        top('include = ["octogym:profiles/none.toml"]'),
        "include",
        "octogym:profiles/none.toml",
        "octogym:profiles/NAME.toml",
    ),
    "include of no list": (
        top('include = "octogym:profiles/devices.toml"'),
        "include",
        "octogym:profiles/devices.toml",
        "a list",
    ),
    "include of itself": (top('include = ["gate.toml"]'), "include", "gate.toml", "does not include this one"),
    # graph
    "cycle": (
        swap("[pipelines.gate.stages.read]", "[pipelines.gate.stages.read]\nto.plate = {}"),
        "pipelines.gate.stages",
        ["plate", "read"],
        "without a cycle",
    ),
    "two first stages": (
        swap("to.read = { crop_bytes = 2000 }", "").replace("children = [0.25, 0.5, 0.25]", ""),
        "pipelines.gate.stages",
        ["detector", "read"],
        "exactly one stage",
    ),
    "children that do not sum to 1": (
        swap("[0.25, 0.5, 0.25]", "[0.5, 0.25]"),
        "pipelines.gate.stages.plate.children",
        [0.5, 0.25],
        "sum to 1",
    ),
    "children of the first stage": (
        swap(
            "[pipelines.gate.stages.plate]",
            "[pipelines.gate.stages.detector]\nchildren = [0, 1]\n[pipelines.gate.stages.plate]",
        ),
        "pipelines.gate.stages.detector.children",
        [0.0, 1.0],
        "first stage",
    ),
    "children of a leaf": (
        swap("[pipelines.gate.stages.read]", "[pipelines.gate.stages.read]\nchildren = [0, 1]"),
        "pipelines.gate.stages.read.children",
        [0.0, 1.0],
        "without `to`",
    ),
    "class after the first stage": (
        swap("crop_bytes = 2000", 'class = "car"'),
        "pipelines.gate.stages.plate.to.read.class",
        "car",
        "only a first stage",
    ),
    # identities
    "duplicate key": (add("[devices.hub]\ntype = 'box'"), "(syntax)", ANY, "valid TOML"),
    "duplicate device": (add('[devices.node1]\ntype = "board"'), "devices.node1", "node1", "devices.node"),
    "duplicate instance": (
        add('[placement.again]\ndevices = "node2"\nstages = "gate.plate"'),
        "placement.again",
        "node2/gate.plate",
        "placement.edge",
    ),
    "bad name": (add('[devices."a/b"]\ntype = "board"'), 'devices."a/b"', "a/b", "letters, digits"),
    # profiles
    "no profile": (
        swap('stages = "gate.read"', 'stages = ["gate.read", "gate.detector"]'),
        "placement.reader",
        "detector on box",
        "profiles.box.detector",
    ),
    "both forms": (
        swap("fixed_ms = 1.0", "fixed_ms = 1.0\ninfer_ms = [1.0]"),
        "profiles.box.read.infer_ms",
        ANY,
        "either infer_ms, or fixed_ms",
    ),
    "half a form": (swap("per_frame_ms = 0.25\n", ""), "profiles.box.read.per_frame_ms", None, "with fixed_ms"),
    "table and limit": (
        swap("infer_ms = [1.0, 1.5, 2.0, 2.5]", "infer_ms = [1.0]\nmax_batch = 4"),
        "profiles.box.plate.max_batch",
        4,
        "left out",
    ),
    "falling times": (
        swap("[1.0, 1.5, 2.0, 2.5]", "[1.0, 1.5, 1.2]"),
        "profiles.box.plate.infer_ms",
        [1.0, 1.5, 1.2],
        "do not fall",
    ),
    "measured by nobody": (swap('by = "octogym profile"\n', ""), "profiles.box.plate.by", "", "measured = true"),
    "no provenance": (swap('provenance = "a guess"', ""), "profiles.box.read.provenance", "", "source or the formula"),
    "batch above the profile": (swap("batch = 2", "batch = 9"), "placement.edge.initial.batch", 9, "at most 8"),
    "safe batch above the profile": (
        swap("replicas = 2", "safe = { batch = 5 }"),
        "placement.hub.safe.batch",
        5,
        "at most 4",
    ),
    "pack above the model": (swap("batch = 2", "pack = 2, batch = 2"), "placement.edge.initial.pack", 2, "at most 1"),
    # routes
    "no route": (
        swap('[placement.reader]\ndevices = "hub"', '[placement.reader]\ndevices = "node1"').replace(
            "[profiles.box.read]", "[profiles.board.read]"
        ),
        "routes",
        "node2/gate.plate -> gate.read",
        "a server, or a route",
    ),
    "shares that do not sum to 1000": (
        swap("[700, 300]", "[700, 200]"),
        "routes.offload.share_milli",
        [700, 200],
        "1000 in all",
    ),
    "too few shares": (swap("[700, 300]", "[1000]"), "routes.offload.share_milli", [1000], "each of the 2"),
    "share above 1000": (
        swap("[700, 300]", "[1700, -700]"),
        "routes.offload.share_milli",
        [1700, -700],
        "at most 1000",
    ),
    "share to nobody": (
        swap('"{device}/gate.plate"', '"{device}/gate.plate#9"'),
        "routes.offload.to",
        ANY,
        "matches an instance",
    ),
    "shares stated twice": (
        add('[routes.more]\nfrom = "node1/gate.detector"\nto = "hub/gate.plate"\nshare_milli = 1000'),
        "routes.more.share_milli",
        1000,
        "routes.offload",
    ),
    # traces and splits
    "horizon beyond a ranked trace": (
        swap("horizon_s = 60", "horizon_s = 71\nranked = true"),
        "horizon_s",
        71,
        "at most 70 s, the part of counts/west (camera west)",
    ),
    "overlapping splits": (
        swap("part = [0.7, 1.0]", "part = [0.6, 1.0]"),
        "splits.test.part",
        [0.6, 1.0],
        "apart from that of train",
    ),
    "empty split": (
        swap("part = [0.7, 1.0]", "part = [0.8, 0.8]"),
        "splits.test.part",
        [0.8, 0.8],
        "the first below the second",
    ),
    # nothing there
    "no camera": (re.sub(r"(?s)\[cameras\.west\].*?(?=\[placement)", "", VALID), "cameras", {}, "at least one entry"),
    "no placement": (
        re.sub(r"(?s)\[placement\.edge\].*?(?=\[routes)", "", VALID),
        "placement",
        {},
        "at least one entry",
    ),
    "not TOML": (top("slo ms = 3"), "(syntax)", ANY, "valid TOML"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    text, key, value, allowed = DAMAGE[name]
    file = write(tmp_path, text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    error = caught.value
    assert error.file == str(file)
    if key is not ANY:
        assert error.key == key
    if value is not ANY:
        assert error.value == value
    assert allowed in str(error)
    for part in (str(file), error.key, repr(error.value)):
        assert part in str(error)


def test_a_valid_file_loads(tmp_path: Path) -> None:
    assert load_scenario(write(tmp_path)).cluster.S == 7


def test_error_names_the_included_file(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "mine.toml").write_text('include = ["gate.toml"]\n[devices.node]\ntype = "bord"\n')
    with pytest.raises(ScenarioError, match=r"mine\.toml: devices\.node\.type = 'bord'"):
        load_scenario(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text('include = ["gate.toml"]\n[devices.node]\ncount = 3\n')
    (tmp_path / "gate.toml").write_text(swap("fps = 10", "fps = -1"))
    with pytest.raises(ScenarioError, match=r"gate\.toml: cameras\.west\.fps = -1"):
        load_scenario(tmp_path / "mine.toml")


def test_error_in_an_override_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"\(overrides\): slo_ms = 'fast'"):
        load_scenario(write(tmp_path), slo_ms="fast")
    with pytest.raises(ScenarioError, match=r"\(overrides\): cameras\.west\.fsp = 5: .*did you mean 'fps'"):
        load_scenario(write(tmp_path), {"cameras.west.fsp": 5})


def test_unknown_name_suggests_one() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'traffic-2'"):
        load_scenario("trafic-2")
    with pytest.raises(ScenarioError, match="scale-N"):
        load_scenario("scale-0")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.toml"):
        load_scenario(tmp_path / "nowhere.toml")


def test_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"description = '\xff'")
    with pytest.raises(ScenarioError, match="UTF-8"):
        load_scenario(tmp_path / "x.toml")


def test_damaged_trace_names_its_file(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "rates.csv").write_text("second,kbit_per_s\n0,fast\n")
    with pytest.raises(TraceError, match=r"rates\.csv, line 2"):
        load_scenario(file)


# ------------------------------------------------------------------------------------------------------ damage at large

#: What stands where a value should: of other kinds, out of range, not finite, empty.
STRANGE = ("-1", "0", "1e9", "nan", "inf", '""', '"x"', "[]", "[1]", "{}", "true", "1.5", "2020-01-01")
VALUES = [match.span(1) for match in re.finditer(r"= (.+)", VALID)]


def loads_or_says_why(file: Path) -> None:
    try:
        load_scenario(file).plan(0)
    except (ScenarioError, TraceError) as error:
        assert file.parent.name in str(error) or "octogym:" in str(error)


@given(length=st.integers(0, len(VALID)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_off_anywhere_loads_or_says_why(tmp_path: Path, length: int) -> None:
    loads_or_says_why(write(tmp_path, VALID[:length]))


@given(span=st.sampled_from(VALUES), value=st.sampled_from(STRANGE))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_may_be_strange(tmp_path: Path, span: tuple, value: str) -> None:
    loads_or_says_why(write(tmp_path, VALID[: span[0]] + value + VALID[span[1] :]))


@given(line=st.integers(0, VALID.count("\n") - 1), twice=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_line_may_be_missing_or_there_twice(tmp_path: Path, line: int, twice: bool) -> None:
    lines = VALID.splitlines(keepends=True)
    lines[line : line + 1] = [lines[line]] * (2 if twice else 0)
    loads_or_says_why(write(tmp_path, "".join(lines)))
