"""Distream."""

from __future__ import annotations

import numpy as np
import pytest

from octogym import testing
from octogym.scheduler.deployment import Deployment
from octogym.scheduler.distream import DistreamPolicy
from octogym.scheduler.estimate import Links
from octogym.scheduler.policy import Known
from tests.agents.conftest import traffic
from tests.reference.random_scenarios import random_scenario

from .conftest import SHIPPED, shipped, watch
from .tiny import bandwidth, cluster, used


def planned(of, policy, rates, seconds=0.0) -> Deployment:
    known = Known(0, seconds, rates, np.zeros(of.S), Links(of, bandwidth(of)))
    return policy.plan(known)


@pytest.mark.parametrize("name", SHIPPED)
def test_its_decisions_fit_every_kind_of_shipped_scenario(name):
    policy = DistreamPolicy()
    policy.schedule_s = 3.0
    assert watch(shipped(name), policy, 5).decided() == [0, 3]


@pytest.mark.parametrize("seed", range(30))
def test_its_decisions_fit_random_scenarios(seed):
    policy = DistreamPolicy()
    policy.schedule_s = 2.0
    watch(random_scenario(seed), policy, 20, seed)


def test_it_keeps_the_rules_of_policies(gate):
    def make():
        policy = DistreamPolicy()
        policy.schedule_s = 5.0
        return policy

    testing.check_policy(make, gate, steps=12)
    testing.check_policy(make, traffic(), steps=12)


def test_batches_are_fixed_by_place():
    scenario = shipped("fcpo-testbed")
    patch = watch(scenario, DistreamPolicy(), 1).patches[0]
    index = scenario.cluster.index
    expected = {"nx1/traffic.yolov5n": 2, "onprem/surveillance.movenet": 4, "server/traffic.platedet#3": 8}
    assert {name: int(patch.batch[0, index[name]]) for name in expected} == expected
    assert (patch.timeout_ns == 0).all()


def test_a_batch_is_never_above_the_profile():
    of = cluster(server_ms=[4, 6, 8])
    policy = DistreamPolicy()
    policy.reset(of, 1, 0)
    assert planned(of, policy, [{0: 10.0, 1: 50.0}]).batch.tolist() == [2, 4, 2, 3]


def test_the_published_start_of_the_partition_point_is_that_of_the_testbed():
    policy = DistreamPolicy()
    policy.reset(shipped("fcpo-testbed").cluster, 1, 0)
    assert policy.partition_point(0) == pytest.approx(0.3)


def test_work_moves_to_the_cameras_until_their_part_fits_the_partition_point():
    """Eight devices and one GPU: 8 / 15 of the work belongs to the devices, within 0.1."""
    of = cluster(cameras=8)
    policy = DistreamPolicy()
    policy.reset(of, 1, 0)
    found = used(of, planned(of, policy, [{0: 10.0, 1: 50.0}] * 8).active)
    at_edge = sum(name.endswith("read") and name.startswith("cam") for name in found)
    assert 0 < at_edge < 8
    # A stage never runs at the edge while what feeds it is on the server.
    assert all(f"cam{d}/p.find" in found for d in range(8) if f"cam{d}/p.read" in found)


def test_the_partition_point_moves_by_small_steps_to_the_side_with_the_higher_throughput():
    of = cluster(cameras=8, edge_ms=[1.0], server_ms=[50.0])
    policy = DistreamPolicy()
    policy.reset(of, 1, 0)
    rates = [{0: 10.0, 1: 50.0}] * 8
    planned(of, policy, rates)
    start = policy.partition_point(0)
    planned(of, policy, rates, 300.0)
    assert policy.partition_point(0) == pytest.approx(start + 0.006)


@pytest.mark.parametrize("cameras", [1, 2])
def test_nothing_arrives(cameras):
    of = cluster(cameras=cameras)
    policy = DistreamPolicy()
    policy.reset(of, 1, 0)
    assert planned(of, policy, [{0: 0.0, 1: 0.0}] * cameras).active.sum() > 0
