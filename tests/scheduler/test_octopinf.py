"""OctopInf as a policy."""

from __future__ import annotations

import numpy as np
import pytest

from octogym import testing
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.settings import DEADLINE, KEEP
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.estimate import Links
from octogym.scheduler.octopinf import OctopInfPolicy
from octogym.scheduler.policy import Known
from tests.agents.conftest import play, traffic
from tests.reference.random_scenarios import random_scenario

from .conftest import SHIPPED, Watched, shipped, watch
from .tiny import bandwidth, cluster, used


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("argument", [None, "deadline,any-batch"])
def test_its_decisions_fit_every_kind_of_shipped_scenario(name, argument):
    policy = OctopInfPolicy(argument)
    policy.schedule_s = 3.0
    assert watch(shipped(name), policy, 5).decided() == [0, 3]


@pytest.mark.parametrize("seed", range(30))
def test_its_decisions_fit_random_scenarios(seed):
    policy = OctopInfPolicy("deadline" if seed % 2 else None)
    policy.schedule_s, policy.look_s = 2.0, 1.0
    watch(random_scenario(seed), policy, 20, seed)


def test_it_keeps_the_rules_of_policies(gate):
    def make():
        policy = OctopInfPolicy()
        policy.schedule_s, policy.look_s = 5.0, 2.0
        return policy

    testing.check_policy(make, gate, steps=12)
    testing.check_policy(make, traffic(), steps=12)


def test_it_decides_at_the_start_and_every_300_s():
    watched = watch(traffic(), OctopInfPolicy(), 302, num_envs=2)
    assert watched.decided() == [0, 300]


def test_a_changed_load_shows_at_the_next_schedule_only():
    policy = OctopInfPolicy("any-batch")
    policy.schedule_s = 40.0
    scenario, watched = shipped("campus-8"), Watched(policy)
    shares = []
    for window in Runner(make_backend("sim", scenario), watched).windows(141, seed=2):
        shares.append((window.decision.share_milli.tobytes(), window.decision.batch.tobytes()))
    assert watched.decided() == [0, 40, 80, 120]
    changes = [k for k in range(1, len(shares)) if shares[k] != shares[k - 1]]
    assert changes and set(changes) <= {40, 80, 120}


def test_once_is_once():
    policy = OctopInfPolicy("once")
    assert watch(traffic(), policy, 5).decided() == [0]
    assert policy.schedule_s == np.inf


@pytest.mark.parametrize(("argument", "timeout_ns"), [(None, 0), ("deadline", DEADLINE)])
def test_full_batches_or_deadlines(argument, timeout_ns):
    patch = watch(traffic(), OctopInfPolicy(argument), 1).patches[0]
    assert (patch.timeout_ns == timeout_ns).all()
    assert all((getattr(patch, name) == 1).all() for name in ("pack", "pre", "post"))


def test_the_published_smallest_batch_is_the_number_of_cameras():
    scenario = shipped("fcpo-testbed")
    index = scenario.cluster.index
    published, any_batch = (watch(scenario, OctopInfPolicy(a), 1).patches[0].batch[0] for a in (None, "any-batch"))
    detector = index["agx1/traffic.yolov5n"]
    assert (published[detector], any_batch[detector]) == (2, 1)
    detector = index["onprem/surveillance.yolov5n"]
    assert (published[detector], any_batch[detector]) == (4, 1)


def test_placement_alone_leaves_the_settings_to_another_policy(gate):
    patch = watch(gate, OctopInfPolicy("placement"), 1).patches[0]
    assert (patch.active != KEEP).all()
    assert all((getattr(patch, name) == KEEP).all() for name in ("pack", "batch", "pre", "post", "timeout_ns"))


def known(of, rate, arrivals=None, seconds=0.0):
    """What a scheduler knows: one stream with 10 frames/s and `rate` crops/s, `arrivals` by id."""
    arrived = np.array([(arrivals or {}).get(x.id, 0.0) for x in of.instances])
    return Known(0, seconds, [{0: 10.0, 1: rate}], arrived, Links(of, bandwidth(of)))


def test_replicas_follow_the_load_between_schedules():
    of = cluster(replicas=3, slo_ms=20, detector_at_edge=False, reader_at_edge=False)
    policy = OctopInfPolicy()
    policy.reset(of, 1, 0)
    assert used(of, policy.plan(known(of, 100.0)).active) == ["hub/p.find", "hub/p.read"]
    assert policy.between(known(of, 100.0, {"hub/p.read": 100.0}, 30.0)) is None
    grown = policy.between(known(of, 200.0, {"hub/p.read": 200.0}, 60.0))
    assert used(of, grown.active) == ["hub/p.find", "hub/p.read", "hub/p.read#1"]
    routes = [r for r, route in enumerate(of.routes) if route.source == of.index["hub/p.find"]]
    assert grown.share_milli[routes].tolist() == [500, 500, 0]


def test_without_the_autoscaler_replicas_stay():
    assert OctopInfPolicy("no-autoscaler").look_s == np.inf and OctopInfPolicy().look_s == 30


def test_deadlines_serve_more_in_time_than_full_batches():
    shares = [play(traffic(), OctopInfPolicy(a), 60, seed=1)[0].figures()["on_time_share"] for a in (None, "deadline")]
    assert 0.3 < shares[0] < shares[1]


@pytest.mark.parametrize("argument", ["dead", "once,5", "period=60"])
def test_an_unknown_word_is_refused(argument):
    with pytest.raises(SchedulerError, match="expected one of deadline, once"):
        OctopInfPolicy(argument)
