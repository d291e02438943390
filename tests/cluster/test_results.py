"""An episode's record and its figures, on a run of the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.results import Recorder
from octogym.cluster.runner import Runner
from octogym.cluster.telemetry import quantile_ns


@pytest.fixture(scope="module")
def run():
    scenario = load_scenario("traffic-2", traces="synthetic", split="test")
    pytest.importorskip("numba", reason="the simulator needs Python 3.10 and Numba")
    backend = make_backend("sim", scenario, num_envs=2)
    recorder = Runner(backend, make_policy("static:batch=4")).run(90, seed=1)
    return backend.step(Decision.keep(scenario.cluster, 2)), recorder


def test_windows_add_up_to_the_totals(run):
    telemetry, recorder = run
    for e in range(2):
        episode = recorder.episode(e)
        for name in ("generated", "on_time_results", "late", "dropped"):
            last = getattr(telemetry, name)[e].sum()
            assert episode.cameras[name].sum() == getattr(telemetry, "total_" + name)[e].sum() - last


def test_results_are_accounted_for(run):
    figures = run[1].episode(0).figures()
    names = ("on_time_share", "late_share", "dropped_share", "missed_share", "lost_share", "in_flight_share")
    assert sum(figures[name] for name in names) == pytest.approx(1)
    assert figures["generated"] > 1000


def test_rates_are_per_second_of_the_episode(run):
    episode = run[1].episode(1)
    figures = episode.figures()
    assert figures["seconds"] == 90
    assert figures["effective_throughput"] * 90 == pytest.approx(episode.cameras["on_time_results"].sum())
    served = episode.cameras["on_time_results"].sum() + episode.cameras["late"].sum()
    assert figures["throughput"] * 90 == pytest.approx(served) and episode.leaf_hist.sum() == served


def test_latencies_come_from_all_results(run):
    episode = run[1].episode(0)
    figures = episode.figures()
    assert figures["latency_p50_s"] <= figures["latency_p95_s"] <= figures["latency_p99_s"]
    assert figures["latency_p95_s"] == float(quantile_ns(episode.leaf_hist, 0.95)) / 1e9
    # Weighted by their results, the windows' means make the episode's.
    served = (episode.cameras["on_time_results"] + episode.cameras["late"]).sum(1)
    means = np.nan_to_num(episode.latency_ns[:, 0])
    assert figures["latency_mean_s"] == pytest.approx((means * served).sum() / served.sum() / 1e9)


def test_a_stalled_link_is_bound(run):
    episode = run[1].episode(0)
    busy = np.zeros_like(episode.links["link_busy_ns"])
    busy[:, 0], busy[:, 1] = 10**9, 5 * 10**8
    episode.links["link_busy_ns"] = busy
    assert episode.figures()["link_bound_share"] == 0.5


def test_instance_minutes_weigh_every_minute_alike():
    cluster = load_scenario("traffic-2", traces="synthetic").cluster
    recorder = Recorder(cluster, 1, 120)
    recorder.recorded = 120
    episode = recorder.episode(0)
    episode.instances["completed"][:, 0] = 1
    episode.instances["completed"][60:, 0] = 1000
    episode.instances["on_time"][60:, 0] = 1000
    assert episode.figures()["on_time_share_instance_minutes"] == 0.5


def test_nothing_recorded_gives_zeros_not_errors():
    cluster = load_scenario("traffic-2", traces="synthetic").cluster
    figures = Recorder(cluster, 1, 10).episode(0).figures()
    assert figures["throughput"] == 0 and np.isnan(figures["latency_p50_s"])
