"""What the schedulers have in common."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.settings import KEEP, KEEP_SHARE
from octogym.cluster.telemetry import BY_HOST
from octogym.scheduler.deployment import Deployment
from octogym.scheduler.distream import DistreamPolicy
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.jellyfish import JellyfishPolicy
from octogym.scheduler.octopinf import OctopInfPolicy
from octogym.scheduler.policy import SchedulerPolicy
from octogym.scheduler.rates import nominal_rates
from tests.agents.conftest import traffic

from .conftest import Watched, shipped, watch
from .tiny import MS, cluster


def test_a_schedule_stays_in_force_beyond_the_validity_of_settings_and_shares():
    """Settings expire after 3 windows and shares after 30, unless whoever runs the policy restates them."""
    scenario = shipped("campus-8")
    assert (scenario.cluster.settings_validity, scenario.cluster.share_validity) == (3, 30)
    for k, window in enumerate(Runner(make_backend("sim", scenario), OctopInfPolicy()).windows(70, seed=1)):
        in_force = window.telemetry
        assert np.array_equal(in_force.batch, window.decision.batch), k
        assert np.array_equal(in_force.share_milli, window.decision.share_milli), k
        assert np.array_equal(in_force.active, window.decision.active), k
        assert (in_force.set_by == BY_HOST).all(), k


def test_a_new_episode_of_one_environment_is_scheduled_at_its_start():
    scenario, watched = traffic(), Watched(OctopInfPolicy())
    backend = make_backend("sim", scenario, num_envs=2)
    windows = Runner(backend, watched).windows(20, seed=0)
    for _ in range(10):
        next(windows)
    backend.reset(9, mask=np.array([False, True]))
    next(windows)
    decided = watched.patches[-1].active[:, 0] != KEEP
    assert decided.tolist() == [False, True]


def test_it_has_no_weights():
    policy = OctopInfPolicy()
    assert policy.state_dict() == {}
    with pytest.raises(ValueError, match="has no weights"):
        policy.load({"w": np.zeros(1)})


@pytest.mark.parametrize("make", [OctopInfPolicy, DistreamPolicy, JellyfishPolicy])
def test_between_decisions_nothing_is_set(make):
    policy = make()
    policy.look_s = np.inf
    watched = watch(traffic(), policy, 5)
    keep = Decision.keep(traffic().cluster)
    for patch in watched.patches[1:]:
        assert all(np.array_equal(getattr(patch, name), getattr(keep, name)) for name in Decision.FIELDS)


@pytest.mark.parametrize("make", [OctopInfPolicy, DistreamPolicy, JellyfishPolicy])
def test_every_scheduler_decides_every_300_s_or_once(make):
    assert make().schedule_s == 300 and make("once").schedule_s == np.inf
    with pytest.raises(SchedulerError, match="'often': expected one of"):
        make("often")


class Spy(SchedulerPolicy):
    """Keeps what it knew at each schedule."""

    def reset(self, cluster, num_envs, seed):
        super().reset(cluster, num_envs, seed)
        self.known = []

    def plan(self, known):
        self.known.append(known)
        S, R = self.layout.cluster.S, self.layout.cluster.R
        return Deployment(np.ones(S, np.int8), np.ones(S, np.int32), np.full(R, KEEP_SHARE, np.uint16))


def test_the_first_schedule_knows_nominal_figures_and_a_later_one_what_was_measured():
    scenario, policy = traffic(), Spy(schedule_s=65.0)
    arrived = []
    for window in Runner(make_backend("sim", scenario), policy).windows(66, seed=4):
        arrived.append(window.telemetry.arrived[0].copy())
    first, second = policy.known
    assert (first.seconds, second.seconds) == (0.0, 65.0)
    assert not first.arrivals.any()
    assert first.rates == [nominal_rates(policy.layout, stream) for stream in policy.layout.streams]
    spans = [np.mean(arrived[65 - n : 65], axis=0) for n in (15, 30, 60)]
    assert second.arrivals == pytest.approx(np.max(spans, axis=0))
    detector = scenario.cluster.index["cam-1/traffic.yolov5n"]
    assert second.rates[0][scenario.cluster.instances[detector].stage] == pytest.approx(second.arrivals[detector])


def test_an_outage_at_the_start_is_not_taken_for_the_link_s_rate():
    of = cluster()
    policy = Spy()
    policy.reset(of, 1, 0)
    telemetry = SimpleNamespace(
        t_ns=np.zeros(1, np.int64),
        window_ns=np.zeros(1, np.int64),
        total_arrived=np.zeros((1, of.S), np.int64),
        bandwidth_bps=np.zeros((1, of.L), np.int64),
        objects=np.zeros((1, of.C), np.int64),
        frames=np.zeros((1, of.C), np.int64),
    )
    policy.act(View(telemetry, of, 0, np.ones((1, of.S), bool), np.ones((1, of.S), bool)))
    # 50 Mbit/s on both links: 16 ms each for 100 kB, and 5 ms between them.
    assert policy.known[0].links.transfer_ns(0, 1, 100_000, 1) == pytest.approx(37 * MS)
