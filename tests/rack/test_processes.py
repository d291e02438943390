"""Nodes in processes of their own, killed and stopped."""

from __future__ import annotations

import os
import signal

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import BridgeBackend
from octogym.bridge.keys import Fixed, new_pair
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.rack.faults import Fault
from octogym.rack.processes import NodeProcesses, RackError
from octogym.rack.up import local_roster, simulated_rack


@pytest.mark.slow
def test_a_node_that_is_killed_or_stopped_harms_nobody_else_and_comes_back():
    scenario = load_scenario("traffic-2")
    host, pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
    roster = local_roster(scenario, speed=2)
    backend = BridgeBackend(roster, host, Fixed({pair.public: name for name, pair in pairs.items()}), join_s=60)
    keep = Decision.keep(scenario.cluster)

    def until(wanted, windows=12):
        """Steps until the first two devices' faults are as wanted; the server's never is one."""
        for _ in range(windows):
            backend.step(keep)
            faults = {device: facts.fault for device, facts in backend.facts.items()}
            assert faults["server"] == ""
            if (faults["cam-1"], faults["cam-2"]) == wanted:
                return
        raise AssertionError(f"after {windows} windows: {faults}")

    try:
        with NodeProcesses(scenario, backend.address, host.public, pairs, roster.period_ns) as nodes:
            backend.reset(0)
            until(("", ""))
            os.kill(nodes.pid("cam-1"), signal.SIGKILL)
            until(("LINK_DOWN", ""), windows=3)
            os.kill(nodes.pid("cam-2"), signal.SIGSTOP)
            until(("LINK_DOWN", "LINK_DOWN"), windows=3)
            os.kill(nodes.pid("cam-2"), signal.SIGCONT)
            until(("LINK_DOWN", ""))
            with pytest.raises(RackError, match="cam-2: its node runs"):
                nodes.start("cam-2")
            assert not nodes.alive("cam-1")
            nodes.start("cam-1")
            until(("", ""), windows=60)
            assert backend.tally.late_steps == 0
            nodes.check()
    finally:
        backend.close()


def test_faults_are_not_staged_among_processes():
    with (
        pytest.raises(RackError, match="killed from outside"),
        simulated_rack(load_scenario("traffic-2"), faults=[Fault("cut", "cam-1", 1, 1)], nodes="processes"),
    ):
        pass
