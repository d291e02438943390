"""Load programmes: what a plan holds, and that it depends on the seed and the keys it names alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octogym.cluster.errors import ScenarioError
from octogym.cluster.loading import load_scenario
from octogym.cluster.scenario import Scenario
from octogym.cluster.workload import WorkloadPlan
from tests.cluster.small_scenario import VALID, write

NS = 1_000_000_000
PLAIN = VALID[: VALID.index("[programme.switches]")]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return load_scenario(write(tmp_path_factory.mktemp("gate")))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return load_scenario(write(tmp_path_factory.mktemp("plain"), PLAIN))


def pairs(a: Sequence, b: Sequence) -> list:
    """zip of two sequences of one length, on Python 3.8, too."""
    assert len(a) == len(b)
    return [(a[k], b[k]) for k in range(len(a))]


def same(a: WorkloadPlan, b: WorkloadPlan) -> bool:
    return all(
        np.array_equal(getattr(x, name), getattr(y, name))
        for pair, names in (
            ((a.cameras, b.cameras), ("start_ns", "series", "offset", "factor_milli")),
            ((a.links, b.links), ("series", "offset_ns", "start_ns", "factor_milli")),
        )
        for x, y in pairs(*pair)
        for name in names
    ) and all(np.array_equal(x, y) for x, y in pairs(a.absent_ns, b.absent_ns))


def plan(scenario: Scenario, seed: int = 0, **overrides: object) -> WorkloadPlan:
    return scenario.plan(seed, {"overrides": overrides} if overrides else None)


EVERYTHING = {
    "load": [0.8, 1.2],
    "factor": [0.5, 1.5],
    "bandwidth": [0.5, 1.0],
    "switches": {"dwell_s": [3, 9], "factor": [0.5, 2.0]},
    "crowds": {"count": 1, "dwell_s": [5, 10], "factor": [3, 4]},
    "day": {"period_s": 40, "step_s": 2},
    "streams": {"on_s": [10, 20], "off_s": [2, 5]},
    "outages": {"gap_s": [5, 10], "length_s": [1, 2], "after_s": [0, 1], "after_factor": 2.0},
    "churn": {"present_s": [5, 10], "absent_s": [2, 4], "devices": ["node*"]},
}


# --------------------------------------------------------------------------------------------------------- determinism


@given(seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_same_seed_same_plan(gate: Scenario, seed: int) -> None:
    assert same(plan(gate, seed, **EVERYTHING), plan(gate, seed, **EVERYTHING))


def test_seeds_differ(gate: Scenario) -> None:
    plans = [plan(gate, seed) for seed in range(6)]
    assert not any(same(a, b) for k, a in enumerate(plans) for b in plans[:k])


def test_train_and_test_of_one_seed_share_nothing(tmp_path: Path) -> None:
    file = write(tmp_path)
    train, test = load_scenario(file).plan(3), load_scenario(file, split="test").plan(3)
    for a, b in pairs(train.cameras, test.cameras):
        assert not set(a.start_ns[1:]) & set(b.start_ns[1:])
        assert not set(a.factor_milli) & set(b.factor_milli)


def test_another_key_leaves_the_draws_of_this_one_alone(gate: Scenario) -> None:
    before, after = plan(gate, 5), plan(gate, 5, outages=EVERYTHING["outages"], churn=EVERYTHING["churn"])
    for a, b in pairs(before.cameras, after.cameras):
        assert np.array_equal(a.start_ns, b.start_ns)
        assert np.array_equal(a.factor_milli, b.factor_milli)


@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 400))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_plan_is_well_formed(gate: Scenario, seed: int, horizon: int) -> None:
    made = gate.plan(seed, {"overrides": EVERYTHING, "horizon_s": horizon})
    for camera in made.cameras:
        assert camera.start_ns[0] == 0
        assert (np.diff(camera.start_ns) > 0).all()
        assert camera.start_ns[-1] < horizon * NS
        assert (camera.factor_milli >= 0).all()
        assert ((camera.series >= -1) & (camera.series < len(gate.counts.names))).all()
        read = camera.series >= 0
        assert (camera.offset[read] >= 0).all()
        assert (camera.offset[read] < gate.counts.length[camera.series[read]]).all()
        assert {array.dtype.name for array in (camera.start_ns, camera.offset)} == {"int64"}
        assert {array.dtype.name for array in (camera.series, camera.factor_milli)} == {"int32"}
    for link in made.links:
        assert link.start_ns[0] == 0
        assert (np.diff(link.start_ns) > 0).all()
        assert link.series < 0 or 0 <= link.offset_ns < gate.rates.end_ns[link.series]
    for absent in made.absent_ns:
        assert (absent % gate.cluster.period_ns == 0).all()
        assert (absent > 0).all()
        assert (np.diff(absent.ravel()) > 0).all()


# -------------------------------------------------------------------------------------------------- what each key does


def test_without_a_programme_every_camera_reads_its_own_series(plain: Scenario) -> None:
    made = plain.plan(0)
    for camera, entry in pairs(made.cameras, ("counts/west", "counts/east")):
        assert plain.counts.names[camera.series[0]] == entry
        assert list(camera.start_ns) == [0]
        assert list(camera.factor_milli) == [1000]


def test_offsets_are_independent_common_or_none(plain: Scenario) -> None:
    free = [[c.offset[0] for c in plan(plain, seed).cameras] for seed in range(20)]
    assert len({a - b for a, b in free}) > 10
    common = [[c.offset[0] for c in plan(plain, seed, offset="common").cameras] for seed in range(20)]
    assert all(a == b for a, b in common)
    assert len({a for a, _ in common}) > 10
    assert all(c.offset[0] == 0 for c in plan(plain, 1, offset="none").cameras)


def test_trace_offset_option_wins(plain: Scenario, gate: Scenario) -> None:
    made = plain.plan(1, {"trace_offset_s": 12.5})
    assert [c.offset[0] for c in made.cameras] == [125, 125]
    assert made.links[0].offset_ns == 12.5 * NS
    # within the series, whatever is asked for
    assert plain.plan(1, {"trace_offset_s": 70 + 3}).cameras[0].offset[0] == 30
    assert all((c.offset == 50).all() for c in gate.plan(1, {"trace_offset_s": 5}).cameras)


def test_switches_change_scene_within_the_dwell_range(gate: Scenario) -> None:
    lengths, factors, series = [], [], set()
    for seed in range(30):
        for camera in gate.plan(seed).cameras:
            lengths += list(np.diff(camera.start_ns)[1:] / NS)
            factors += list(camera.factor_milli / 1000)
        series |= set(gate.plan(seed).cameras[0].series)
    assert 10 <= min(lengths) < 11
    assert 19 < max(lengths) <= 20
    assert 0.5 <= min(factors) < 0.6
    assert 1.9 < max(factors) <= 2.0
    assert {gate.counts.names[row] for row in series} == {"counts/west", "counts/east"}


def test_switches_of_cameras_are_independent(gate: Scenario) -> None:
    made = gate.plan(0)
    assert not set(made.cameras[0].start_ns[1:]) & set(made.cameras[1].start_ns[1:])


def test_switches_of_some_cameras_only(gate: Scenario) -> None:
    west, east = plan(gate, 0, **{"switches.cameras": "west"}).cameras
    assert len(set(west.factor_milli)) > 1
    assert set(east.factor_milli) == {1000}
    assert set(east.series) == {gate.counts.names.index("counts/east")}
    assert len(set(east.offset)) == 1


def test_a_crowd_is_at_one_of_its_cameras_at_a_time(plain: Scenario) -> None:
    made = plan(plain, 2, crowds={"count": 1, "dwell_s": [5, 10], "factor": 4})
    west, east = made.cameras
    for t in range(60):
        now = [c.factor_milli[np.searchsorted(c.start_ns, t * NS, "right") - 1] for c in (west, east)]
        assert sorted(now) == [1000, 4000]
    assert 4000 in west.factor_milli
    assert 4000 in east.factor_milli


def test_as_many_crowds_as_cameras_stay(plain: Scenario) -> None:
    made = plan(plain, 2, crowds={"count": 7, "dwell_s": [5, 10], "factor": 4})
    assert all(set(c.factor_milli) == {4000} for c in made.cameras)


def test_day_goes_from_low_to_high_and_back(plain: Scenario) -> None:
    day = {"low": 0.3, "high": 2.5, "period_s": 40, "step_s": 1}
    west, east = plan(plain, 0, day=day).cameras
    assert np.array_equal(west.factor_milli, east.factor_milli)
    assert 300 <= west.factor_milli.min() < 320
    assert 2480 < west.factor_milli.max() <= 2500
    assert (np.diff(west.start_ns) == NS).all()
    west, east = plan(plain, 0, day=dict(day, common=False)).cameras
    assert not np.array_equal(west.factor_milli, east.factor_milli)


def test_streams_come_and_go(plain: Scenario) -> None:
    west, east = plan(plain, 0, streams={"on_s": [5, 6], "off_s": [3, 4], "cameras": "west"}).cameras
    assert list(west.series >= 0) == [k % 2 == 0 for k in range(len(west.series))]
    gone = np.diff(west.start_ns)[west.series[:-1] < 0] / NS
    assert ((gone >= 3) & (gone <= 4)).all()
    assert (east.series >= 0).all()


def test_outages_cut_links_with_a_series(plain: Scenario) -> None:
    made = plan(plain, 0, outages={"gap_s": [5, 6], "length_s": [1, 2], "devices": ["node1", "hub"]})
    node1, node2, hub = made.links[:3]
    assert set(node1.factor_milli) == {0, 1000}
    lengths = np.diff(node1.start_ns)[node1.factor_milli[:-1] == 0] / NS
    assert ((lengths >= 1) & (lengths <= 2)).all()
    assert list(node2.factor_milli) == [1000]
    assert (hub.series, list(hub.factor_milli)) == (-1, [1000])  # no series, nothing to cut


def test_after_an_outage_the_rate_may_differ(plain: Scenario) -> None:
    made = plan(
        plain, 0, outages={"gap_s": 5, "length_s": 1, "factor": 0.1, "after_s": 2, "after_factor": 3}, bandwidth=0.5
    )
    link = made.links[0]
    assert list(link.factor_milli[:4]) == [500, 50, 1500, 500]
    assert list(np.diff(link.start_ns)[1:3]) == [NS, 2 * NS]


def test_churn_spares_the_start_and_the_devices_not_named(plain: Scenario) -> None:
    made = plan(plain, 0, churn={"present_s": [1, 5], "absent_s": [2, 4], "devices": "node*"})
    node1, node2, hub = made.absent_ns
    assert len(node1) > 3
    assert len(node2) > 3
    assert len(hub) == 0
    assert node1[0, 0] >= NS


def test_absences_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "churn.csv").write_text("present_at_s,a\n0,1\n10,0\n12.5,1\n60,0\n90,1\n100,1\n")
    text = VALID.replace('"file:rates.csv"]', '"file:rates.csv", "file:churn.csv"]')
    file = write(tmp_path, text.replace('uplink = "rates"', 'uplink = "rates"\navailability = "churn/a"'))
    train, test = (load_scenario(file, {"horizon_s": 100}, split=split) for split in ("train", "test"))
    absent = train.plan(0).absent_ns  # of two nodes and the hub
    periods = np.array([[10, 13], [60, 70]]) * 10**9  # whole periods; 70 s is where the training part ends
    assert [rows.tolist() for rows in absent] == [periods.tolist(), periods.tolist(), []]
    assert test.plan(0).absent_ns[0].tolist() == [[10**9, 20 * 10**9]]  # all are there at the start


def test_factors_multiply(plain: Scenario) -> None:
    made = plan(plain, 0, load=2, factor=0.5, crowds={"count": 2, "dwell_s": 5, "factor": 3})
    assert set(made.cameras[0].factor_milli) == {3000}


def test_camera_load_is_a_factor(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, PLAIN), {"cameras.east.load": 0.25})
    assert [c.factor_milli[0] for c in scenario.plan(0).cameras] == [1000, 250]


def test_ranges_are_drawn_per_episode_and_per_camera(plain: Scenario) -> None:
    per_episode = [[c.factor_milli[0] for c in plan(plain, seed, load=[0.5, 1.5]).cameras] for seed in range(10)]
    assert all(a == b for a, b in per_episode)
    assert len({a for a, _ in per_episode}) > 5
    per_camera = [[c.factor_milli[0] for c in plan(plain, seed, factor=[0.5, 1.5]).cameras] for seed in range(10)]
    assert all(a != b for a, b in per_camera)


def test_a_pool_of_uplinks_is_drawn_from() -> None:
    scenario = load_scenario("traffic-2", {"devices.cam-1.uplink": "5g/static-*"}, traces="synthetic")
    pool = {name for name in scenario.rates.names if name.startswith("5g/static-")}
    drawn = {scenario.rates.names[scenario.plan(seed).links[0].series] for seed in range(20 * len(pool))}
    assert drawn == pool and len(pool) > 3


# ------------------------------------------------------------------------------------------------------------- options


def test_overrides_may_be_dotted_nested_or_whole(gate: Scenario) -> None:
    a = plan(gate, 0, **{"switches.dwell_s": [2, 3]})
    b = plan(gate, 0, switches={"dwell_s": [2, 3]})
    c = plan(gate, 0, **{"programme.switches.dwell_s": [2, 3]})
    assert same(a, b)
    assert same(a, c)
    assert len(a.cameras[0].start_ns) > len(gate.plan(0).cameras[0].start_ns)


def test_horizon_option_lengthens_the_plan_and_keeps_its_begin(gate: Scenario) -> None:
    short, long = gate.plan(0), gate.plan(0, {"horizon_s": 600})
    assert long.cameras[0].start_ns[-1] > 500 * NS
    n = len(short.cameras[0].start_ns)
    assert np.array_equal(long.cameras[0].start_ns[:n], short.cameras[0].start_ns)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset_s": 3}, "reset options: offset_s = 3: expected one of trace_offset_s, overrides, horizon_s"),
        ({"trace_offset_s": -1}, "trace_offset_s = -1: expected seconds"),
        ({"trace_offset_s": "a"}, "trace_offset_s = 'a'"),
        ({"overrides": {"load": "high"}}, r"\(overrides\): programme\.load = 'high': expected two numbers"),
        ({"overrides": {"swiches": {}}}, "did you mean 'switches'"),
        ({"overrides": {"day": {"low": 1}}}, r"programme\.day\.period_s = None: expected this key must be given"),
        ({"overrides": {"streams": {"on_s": 1, "off_s": 1, "cameras": "x"}}}, r"programme\.streams\.cameras = 'x'"),
    ],
)
def test_bad_options_are_named(gate: Scenario, options: dict, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        gate.plan(0, options)


def test_plans_are_small() -> None:
    scenario = load_scenario("fcpo-testbed", traces="synthetic")
    made = scenario.plan(0)
    arrays = [a for c in made.cameras for a in (c.start_ns, c.series, c.offset, c.factor_milli)]
    assert sum(a.nbytes for a in arrays) < 100_000


def test_long_episodes_need_no_more_than_their_segments(gate: Scenario) -> None:
    made = gate.plan(0, {"horizon_s": 100_000})
    assert len(made.cameras[0].start_ns) < 12_000
