"""Samples say what telemetry said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import make_backend
from octogym.cluster.scenario import Scenario
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.recent import SPAN, RecentCorrelation
from octogym.scheduler.offload.sampler import Sampler


def watched(scenario: Scenario, windows: int, num_envs: int = 1, **more) -> tuple[Sampler, list, np.ndarray]:
    """A sampler after so many windows, copies of their telemetry, and all pairs with a route."""
    cluster = scenario.cluster
    layout = OffloadLayout(cluster, cluster.D)
    sampler, backend = Sampler(layout, num_envs, **more), make_backend("sim", scenario, num_envs=num_envs)
    seen = [backend.reset(3).copy()]
    sampler.push(seen[0])
    for _ in range(windows):
        seen.append(backend.step(Decision.keep(cluster, num_envs)).copy())
        sampler.push(seen[-1])
    backend.close()
    reach = np.zeros((layout.M, layout.M), bool)
    reach[: layout.N] = True
    return sampler, seen, reach


def test_loads_are_objects_per_frame(calm):
    sampler, seen, reach = watched(calm, 12)
    sample = sampler.sample(0, np.ones(4, bool), reach)
    assert sample.names == ("a", "b", "c", "hub") and sample.agents == 3 and sample.t_s == 12 and sample.fps == 10
    made = np.stack([t.generated[0] for t in seen[1:]], 1) / 10
    assert sample.history[:3, -12:] == pytest.approx(made)
    assert (sample.history[:3, :-12] == made[:, :1]).all() and (sample.history[3] == 0).all()
    assert sample.seen == 12 and (sample.load == sample.history[:, -1]).all()
    faces = [s for s, i in enumerate(calm.cluster.instances) if i.device == 0 and "face" in i.id]
    assert sample.processed[0] == pytest.approx(np.mean([t.arrived[0, faces].sum() for t in seen[-3:]]) / 10)
    assert sample.queue[0] == seen[-1].queue[0, faces, 0].sum()
    assert sample.capacity == pytest.approx(0.8 * sampler.layout.capacity / 10)
    assert sample.servers.tolist() == [False, False, False, True]


def test_views_and_edges_leave_out_who_is_not_there(calm):
    sampler, _, reach = watched(calm, 40)
    everyone = sampler.sample(0, np.ones(4, bool), reach)
    assert (everyone.views >= 0).all() and (everyone.views <= 1).all()
    assert all((np.diagonal(view) == 0).all() for view in everyone.views)
    assert everyone.views[0, :3, :3].any() and not everyone.views[0, 3].any()
    assert everyone.edges[0].tolist() == [False, True, True, True] and not everyone.edges[3].any()
    valid = np.array([True, False, True, True])
    sample = sampler.sample(0, valid, reach)
    for pairs in (*sample.views, sample.edges, sample.routes):
        assert not pairs[1].any() and not pairs[:, 1].any()
    there = np.ix_(valid, valid)
    assert all((a[there] == b[there]).all() for a, b in zip(sample.views, everyone.views, strict=True))


def test_edges_end_where_routes_do(calm):
    sampler, _, reach = watched(calm, 5)
    reach[0, 1] = False
    sample = sampler.sample(0, np.ones(4, bool), reach)
    assert sample.edges[0].tolist() == [False, False, True, True] and not sample.routes[0, 1]


def test_targets_are_limited_but_for_servers(calm):
    sampler, _, reach = watched(calm, 5, targets=1)
    assert sampler.sample(0, np.ones(4, bool), reach).edges[:3].sum(1).tolist() == [2, 2, 2]


def test_an_episode_that_begins_forgets(calm):
    sampler, seen, reach = watched(calm, 8)
    sampler.push(seen[0])
    sampler.push(seen[1])
    fresh, _, _ = watched(calm, 1)
    again, first = (x.sample(0, np.ones(4, bool), reach) for x in (sampler, fresh))
    for name in ("history", "processed", "views", "queue", "seen"):
        assert np.array_equal(getattr(again, name), getattr(first, name)), name


def test_an_environment_of_a_batch_is_as_alone(calm):
    batch, _, reach = watched(calm, 35, num_envs=2)
    alone, _, _ = watched(calm, 35)
    one, other = (x.sample(0, np.ones(4, bool), reach) for x in (batch, alone))
    for name in ("history", "processed", "views", "queue", "up_bps", "edges"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_latency_of_results(calm):
    sampler, seen, _ = watched(calm, 8)
    late = sampler.latency_s(seen[-1], 0)
    assert late.shape == (4,) and (late[:3] > 0).all() and late[3] == 0  # nothing is sent to the hub
    assert (sampler.latency_s(seen[-1], 0, 0.5) <= late).all()


def test_other_windows_are_refused(calm):
    layout = OffloadLayout(dataclasses.replace(calm.cluster, period_ns=500_000_000), 3)
    with pytest.raises(SchedulerError, match=r"windows of 0\.5 s"):
        Sampler(layout, 1)


def test_the_recent_view_finds_who_follows_whom():
    rng = np.random.default_rng(1)
    first = rng.random(400)
    recent = RecentCorrelation(3)
    for t in range(20, 400):
        recent.push(np.array([[first[t], first[t - 10], 5.0]]))
    (view,) = recent.view()
    assert view[0, 1] > 0.99 and view[1, 0] < 0.4
    assert (view[2] == 0).all() and (np.diagonal(view) == 0).all()


def test_the_recent_view_forgets():
    rng = np.random.default_rng(2)
    recent = RecentCorrelation(2)
    for _ in range(200):
        recent.push(np.full((1, 2), rng.random()))
    assert recent.view()[0, 0, 1] > 0.99
    for _ in range(SPAN + 32):
        recent.push(rng.random((1, 2)))
    assert recent.view()[0, 0, 1] < 0.5
