"""Jellyfish."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from octogym import testing
from octogym.scheduler.estimate import Links
from octogym.scheduler.jellyfish import (
    Client,
    JellyfishPolicy,
    assign,
    best_subset,
    feasible_batch,
    smallest_batch,
    throughput,
)
from octogym.scheduler.policy import Known
from tests.agents.conftest import traffic
from tests.reference.random_scenarios import random_scenario

from .conftest import SHIPPED, shipped, watch
from .tiny import MS, bandwidth, cluster, profile, used

LARGE = profile("find", "box", [20, 30, 40, 50])  # 50, 67, 75, 80 images/s
SMALL = profile("find@small", "box", [5, 8, 10, 12])  # 200, 250, 300, 333


@pytest.mark.parametrize("name", SHIPPED)
def test_its_decisions_fit_every_kind_of_shipped_scenario(name):
    policy = JellyfishPolicy()
    policy.schedule_s = 3.0
    assert watch(shipped(name), policy, 5).decided() == [0, 3]


@pytest.mark.parametrize("seed", range(30))
def test_its_decisions_fit_random_scenarios(seed):
    policy = JellyfishPolicy()
    policy.schedule_s = 2.0
    watch(random_scenario(seed), policy, 20, seed)


def test_it_keeps_the_rules_of_policies(gate):
    def make():
        policy = JellyfishPolicy()
        policy.schedule_s = 5.0
        return policy

    testing.check_policy(make, gate, steps=12)
    testing.check_policy(make, traffic(), steps=12)


def test_the_largest_batch_that_the_slack_allows_and_the_smallest_that_the_rate_needs():
    # A batch of b takes 3 b + 10 + 10 b ms in all.
    assert [feasible_batch(LARGE, ms * MS) for ms in (45, 46, 72, 1000)] == [0, 1, 2, 4]
    assert [smallest_batch(LARGE, rate) for rate in (49, 50, 70, 79, 500)] == [1, 2, 3, 4, 4]
    assert throughput(LARGE, 4) == 80


def test_the_subset_with_the_largest_rate_is_taken():
    assert best_subset([30, 40, 50], 80) == [0, 2]
    assert best_subset([15, 15, 15], 50) == [0, 1]  # two steps of 10 each
    assert best_subset([90], 50) == [] == best_subset([], 50)


@pytest.mark.parametrize("seed", range(10))
def test_no_other_subset_in_steps_of_ten_serves_more(seed):
    rng = np.random.default_rng(seed)
    rates, capacity = [10 * int(x) for x in rng.integers(1, 9, 7)], 150
    best = max(sum(some) for n in range(8) for some in itertools.combinations(rates, n) if sum(some) <= capacity)
    assert sum(rates[k] for k in best_subset(rates, capacity)) == best


def test_the_accurate_variant_serves_what_it_can_and_the_last_the_rest():
    clients = [Client(n, 30.0, 200 * MS) for n in range(4)]
    first, last = assign([LARGE, SMALL], clients)
    assert first.streams == (0, 1) and last.streams == (2, 3)  # 60 of 80 images/s
    assert first.batch == 2 and last.batch == 1  # 67 images/s, and 200


def test_a_client_on_a_thin_link_does_not_shrink_the_others_batch():
    """With 20 ms left no batch of the accurate variant fits; the others have time for one of 4."""
    clients = [Client(0, 30.0, 20 * MS), Client(1, 30.0, 200 * MS), Client(2, 30.0, 200 * MS)]
    first, last = assign([LARGE, SMALL], clients)
    assert first.streams == (1, 2) and last.streams == (0,)


def test_one_variant_takes_everybody():
    (only,) = assign([LARGE], [Client(n, 60.0, 200 * MS) for n in range(3)])
    assert sorted(only.streams) == [0, 1, 2] and only.batch == 4


def _plan(of, up_mbps=1000.0, rate=10.0):
    policy = JellyfishPolicy()
    policy.reset(of, 1, 0)
    rates = [{0: rate, 1: 50.0} for _ in policy.layout.streams]
    return policy.plan(Known(0, 0.0, rates, np.zeros(of.S), Links(of, bandwidth(of, up_mbps))))


def test_everything_runs_on_the_server_with_up_to_four_replicas():
    of = cluster(cameras=2, replicas=6)
    found = _plan(of)
    assert used(of, found.active) == ["hub/p.find", "hub/p.read", "hub/p.read#1", "hub/p.read#2", "hub/p.read#3"]
    assert found.batch[of.index["hub/p.read"]] == 8  # 12, as far as the profile goes


def test_streams_are_spread_over_variants():
    """The accurate detector does 62 images/s within the SLO, each stream makes 10: one step each."""
    of = cluster(cameras=8, server_ms=[16, 32, 48], small_variant=True, slo_ms=60)
    found = _plan(of)
    at = {
        x.id: sum(
            int(found.share_milli[r]) for r, route in enumerate(of.routes) if route.target == i and route.source >= of.S
        )
        for i, x in enumerate(of.instances)
    }
    assert at["hub/p.find"] == 6000 and at["hub/p.find@small"] == 2000


def test_detectors_that_are_on_devices_only_stay_there():
    of = cluster(cameras=2, detector_on_server=False)
    assert used(of, _plan(of).active) == ["cam0/p.find", "cam1/p.find", "hub/p.read"]


def test_nothing_arrives():
    of = cluster()
    assert used(of, _plan(of, rate=0.0).active) == ["hub/p.find", "hub/p.read"]
