"""Nodes in processes of their own; `test_faults_short` kills and stops them."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.keys import new_pair
from octogym.cluster.registry import load_scenario
from octogym.rack.faults import Fault
from octogym.rack.processes import NodeProcesses, RackError
from octogym.rack.up import simulated_rack


def test_faults_are_not_staged_among_processes():
    with (
        pytest.raises(RackError, match="killed from outside"),
        simulated_rack(load_scenario("traffic-2"), faults=[Fault("cut", "cam-1", 1, 1)], nodes="processes"),
    ):
        pass


def test_nodes_wait_for_a_world_that_takes_its_time_and_not_for_one_that_has_ended():
    scenario = load_scenario("traffic-2")
    host, pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
    arguments = (scenario, "tcp://127.0.0.1:1", host.public, pairs, 1_000_000_000)
    with NodeProcesses(*arguments) as nodes:
        nodes.check()
        assert all(nodes.alive(device) for device in pairs)
    with pytest.raises(RackError, match="the world's process has ended"), NodeProcesses(*arguments, agent="no-such"):
        pass
