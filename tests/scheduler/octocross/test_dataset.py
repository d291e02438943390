"""Load series: from tables, traces and scenarios; what is there when, and which part of time is for what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario
from octogym.cluster.traces import CountSeries, RateSeries, TraceSet, load_real
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.dataset import link_rate, of_counts, of_scenario, of_table, of_traces
from octogym.scheduler.octocross.windows import persistence_error

from .sites import waves


def counts(name, values, rate_hz=1.0):
    return CountSeries(name, rate_hz, {"person": np.array(values)}, "made up")


def test_a_table_gets_a_server_links_and_a_chronological_split():
    link = RateSeries("link", np.array([0, 10_000_000_000]), np.array([3_000_000, 7_000_000]), 20_000_000_000, "")
    site = of_table("site", ["a", "b"], np.ones((60, 2)), capacity=[5.0, 8.0], links=[link], horizon=4)
    assert site.nodes == ("a", "b", "server") and site.servers.tolist() == [False, False, True]
    assert site.capacity.tolist() == [5.0, 8.0, 22.3] and not site.loads[:, 2].any()
    assert site.link_rates[[0, 9, 10, 19, 20, 35], 1].tolist() == [3e6, 3e6, 7e6, 7e6, 3e6, 7e6]
    train, validation, test = site.split
    assert train.max() + 4 <= validation.min() and validation.max() + 4 <= test.min() and test.max() + 4 == 60
    alone = of_table("site", ["a", "b"], np.ones((60, 2)), server_capacity=None, horizon=4)
    assert alone.nodes == ("a", "b") and not alone.servers.any()


def test_frames_become_seconds():
    frames = {"x/a": counts("x/a", np.arange(41), 2.0), "x/b": counts("x/b", np.resize([4, 6, 8, 0], 40), 2.0)}
    last = of_counts("x", frames, horizon=1, server_capacity=None)
    mean = of_counts("x", frames, horizon=1, server_capacity=None, per_second="mean")
    assert last.loads[:3].tolist() == [[1, 6], [3, 0], [5, 6]]
    assert mean.loads[:3].tolist() == [[0.5, 5], [2.5, 4], [4.5, 5]]


def test_streams_that_end_are_not_there():
    site = of_counts("x", {"a": counts("a", [3] * 40), "b": counts("b", [2] * 20 + [-1] * 5)}, horizon=2)
    assert site.available[:, :2].sum(0).tolist() == [40, 20] and site.available[:, 2].all()
    assert site.loads[:, 1].sum() == 40


def test_sites_of_a_trace_set_are_told_by_their_names():
    made = [
        counts(f"{site}/{k}", np.arange(n) % 7 + k)
        for site, n in (("p/one", 250), ("q", 300), ("r", 50))
        for k in (1, 2)
    ]
    found = {one.name: one for one in of_traces(TraceSet({one.name: one for one in made}), horizon=8)}
    assert set(found) == {"p/one", "q"}  # r is too short
    assert found["q"].nodes == ("q/1", "q/2", "server") and len(found["q"]) == 300


def test_the_physical_view_knows_the_past_only():
    site = waves(160)
    other = replace(site, loads=np.concatenate((site.loads[:90], site.loads[90:] * 0.1)))
    assert not site.physical(0).any() and site.physical(80).max() > 0.5
    assert np.array_equal(site.physical(90), other.physical(90))
    assert not np.allclose(site.physical(140), other.physical(140))


def test_what_does_not_fit_is_refused():
    site = waves()
    for wrong, message in (
        ({"available": site.available[:5]}, "available"),
        ({"loads": -site.loads}, "loads: expected finite numbers from 0"),
        ({"capacity": site.capacity[:2]}, "capacity"),
        ({"nodes": ("n0",) * len(site.nodes)}, "twice"),
    ):
        with pytest.raises(SchedulerError, match=message):
            replace(site, **wrong)
    with pytest.raises(SchedulerError, match=r"expected \[T, 3\]"):
        of_table("x", ["a", "b", "c"], np.ones((50, 2)))
    with pytest.raises(SchedulerError, match="per_second"):
        of_counts("x", {"a": counts("a", [1] * 50)}, per_second="first")
    with pytest.raises(SchedulerError, match="rates"):
        of_counts("x", {"a": counts("a", [1] * 50), "b": counts("b", [1] * 50, 2.0)})


@pytest.fixture(scope="module")
def campus_8():
    return load_scenario("campus-8", traces=["synthetic"], split="train")


def test_a_scenarios_episode_is_what_the_simulator_plays(campus_8):
    site = of_scenario(campus_8, 3, horizon=16)
    assert site.nodes[:2] == ("node01", "node02") and site.nodes[-1] == "server" and site.servers.sum() == 1
    assert len(site) == campus_8.horizon_s and site.loads[:, :8].mean() > 0.5 and not site.loads[:, 8].any()
    again, other = of_scenario(campus_8, 3, horizon=16), of_scenario(campus_8, 4, horizon=16)
    assert np.array_equal(site.loads, again.loads) and not np.array_equal(site.loads, other.loads)
    plan = campus_8.plan(3)
    assert np.array_equal(site.link_rates[:, 0], link_rate(campus_8.rates, plan.links[0], len(site)))
    assert (site.down_rates == 1e9).all() and (site.crop_bytes > 0).all()


def test_episodes_share_the_traces_that_are_kept_for_validation(campus_8):
    length = int(campus_8.counts.length[0])
    held = []
    for seed in range(4):
        site, camera = of_scenario(campus_8, seed, horizon=16), campus_8.plan(seed).cameras[0]
        for part in ("train", "validation"):
            times = getattr(site.split, part)
            at = (int(camera.offset[0]) + 15 * (times[:, None] + np.arange(16))) % length / length
            assert (at < 0.851).all() if part == "train" else (at > 0.849).all()
            held.append(len(times))
        assert not len(site.split.test)
    assert min(held[::2]) > 100 and sum(held[1::2]) > 0


def test_absent_devices_are_not_available():
    churn = {"churn": {"devices": "node0[12]", "present_s": [40, 60], "absent_s": [20, 30]}}
    scenario = load_scenario("campus-8", {"programme": churn}, traces=["synthetic"], split="train")
    site = of_scenario(scenario, 0, horizon=16)
    gone = ~site.available
    assert gone[:, :2].any(0).all() and not gone[:, 2:].any() and not site.loads[gone].any()


def test_a_scenario_without_offloading_is_refused():
    with pytest.raises(SchedulerError, match="nothing to offload"):
        of_scenario(load_scenario("traffic-2", traces=["synthetic"]), 0)


def test_measured_sites(data_folder):
    sites = {one.name: one for one in of_traces(load_real(families=("campus", "aicity")), server_capacity=None)}
    s01, city = sites["campus/s01"], sites["aicity"]
    assert s01.loads.shape == (490, 16) and city.loads.shape == (430, 19)
    # OctoCross specification 3.6, horizons 1 and 8.
    assert persistence_error(s01.loads, 8)[[0, 7]] == pytest.approx([0.40, 3.88], abs=0.01)
    ends = city.available.sum(0)
    assert ends.min() < 350 and ends.max() == 430 and s01.available.all()
