"""What may befall a rack's nodes, over real sockets: the short list that runs always.

Windows are half a second, and facts are waited for, so that a busy machine only takes longer. The rest is marked slow.
"""

from __future__ import annotations

import os
import signal

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import BridgeBackend, open_bridge
from octogym.bridge.keys import Fixed, KeyRing, new_pair
from octogym.cluster.registry import load_scenario, make_policy
from octogym.cluster.runner import Runner
from octogym.rack.faults import Fault
from octogym.rack.processes import NodeProcesses, RackError
from octogym.rack.up import NodesThread, local_roster, simulated_rack
from octogym.sim import SimBackend
from tests.rack.watch import Watch, assert_same_windows, boots, undisturbed

SPEED = 2.0


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


def test_nodes_that_are_killed_or_stopped_are_gone_while_the_others_go_on_and_come_back(scenario):
    host, pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
    roster = local_roster(scenario, SPEED)
    backend = BridgeBackend(roster, host, Fixed({pair.public: name for name, pair in pairs.items()}), join_s=120)
    try:
        with NodeProcesses(scenario, backend.address, host.public, pairs, roster.period_ns) as nodes:
            backend.reset(0)
            watch = Watch(backend)
            watch.all_heard()
            before = boots(backend)
            os.kill(nodes.pid("cam-1"), signal.SIGKILL)
            watch.until(lambda facts: facts["cam-1"].fault == "LINK_DOWN", "SIGKILL noticed")
            os.kill(nodes.pid("cam-2"), signal.SIGSTOP)
            watch.until(lambda facts: facts["cam-2"].fault == "LINK_DOWN", "SIGSTOP noticed")
            watch.until(lambda facts: facts["server"].fresh and not facts["cam-1"].present, "the server goes on")
            os.kill(nodes.pid("cam-2"), signal.SIGCONT)
            watch.until(lambda facts: facts["cam-2"].fresh, "the stopped one is back")
            with pytest.raises(RackError, match="cam-2: its node runs"):
                nodes.start("cam-2")
            assert not nodes.alive("cam-1")
            nodes.start("cam-1")
            watch.all_heard()
            after = boots(backend)
            assert [name for name in before if before[name] != after[name]] == ["cam-1"]
            nodes.check()
    finally:
        backend.close()


def test_a_stuck_interpreter_is_stale_while_its_connection_lives(scenario):
    with simulated_rack(scenario, SPEED, [Fault("stuck", "cam-1", 2.2, 8)], join_s=60) as rack:
        rack.reset(0)
        watch = Watch(rack)
        stuck = watch.until(
            lambda facts: facts["cam-1"].missed >= 3 and facts["cam-1"].fault == "STALE", "the stuck node"
        )
        assert stuck["cam-1"].present and stuck["cam-1"].stale
        watch.all_heard()


def test_a_node_that_restarts_within_a_step_is_placed_anew_and_counts_on(scenario):
    with simulated_rack(scenario, SPEED, [Fault("restart", "cam-1", 2.4, 1.3)], join_s=60) as rack:
        rack.reset(0)
        watch = Watch(rack)
        before = boots(rack)
        watch.until(lambda facts: boots(rack)["cam-1"] != before["cam-1"], "another process")
        watch.all_heard()
        assert "RESTARTED" in rack.tally.faults or "LINK_DOWN" in rack.tally.faults
        assert boots(rack)["cam-2"] == before["cam-2"]


def test_a_key_that_is_revoked_in_mid_run_is_dropped_and_the_others_go_on(scenario, tmp_path):
    ring, devices = KeyRing(tmp_path / "keys"), [device.id for device in scenario.cluster.devices]
    ring.new("host")
    for device in devices:
        ring.allow(device, ring.new(device).public)
    file = tmp_path / "rack.toml"
    file.write_text('scenario = "traffic-2"\nlisten = "tcp://127.0.0.1:*"\nkeys = "keys"\nperiod_s = 0.5\n')
    backend = open_bridge(rack=file, join_s=60)
    pairs = {device: ring.pair(device) for device in devices}
    try:
        with NodesThread(scenario, backend.address, ring.public("host"), pairs, 500_000_000):
            backend.reset(0)
            watch = Watch(backend)
            watch.all_heard()
            ring.revoke("cam-1")
            watch.until(lambda facts: facts["cam-1"].fault == "REVOKED", "the revoked key")
            for _ in range(3):
                facts = watch.step()["cam-1"]
                assert (facts.fault, facts.present, facts.fresh, facts.windows) == ("REVOKED", False, False, 0)
            watch.until(lambda facts: facts["cam-2"].fresh and facts["server"].fresh, "the others go on")
    finally:
        backend.close()


@pytest.mark.parametrize("policy", ["rate-rule", "random"])
def test_a_policy_decides_alike_over_the_simulator_and_over_a_rack(scenario, policy):
    """Also what it sees is the same, so every decision after it is."""

    def play(backend):
        return [
            (window.decision.copy(), window.telemetry.copy())
            for window in Runner(backend, make_policy(policy)).windows(6, seed=3)
        ]

    wanted = play(SimBackend(scenario))
    found = undisturbed(scenario, SPEED, play)
    assert_same_windows(found, wanted)
