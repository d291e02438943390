"""Devices that decide for themselves, over real sockets."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import BridgeBackend
from octogym.bridge.keys import Fixed, new_pair
from octogym.cluster.decision import Decision
from octogym.cluster.errors import OctoGymError
from octogym.cluster.registry import load_scenario, make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.telemetry import BY_AGENT, BY_HOST
from octogym.rack.onboard import OnboardPolicy
from octogym.rack.up import NodesThread, local_roster, simulated_rack
from octogym.sim import SimBackend
from tests.rack.watch import PATIENCE_S, Watch, undisturbed

SETTINGS = ("pack", "batch", "pre", "post", "timeout_ns", "total_arrived", "total_on_time")


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


def test_agents_on_their_devices_decide_as_the_same_policy_does_at_the_host(scenario):
    wanted = [
        window.telemetry.copy() for window in Runner(SimBackend(scenario), make_policy("rate-rule")).windows(6, seed=3)
    ]
    keep = Decision.keep(scenario.cluster)
    keep.batch[:] = 1  # what the host says of settings is not heard

    def play(rack):
        rack.reset(3)
        return [rack.step(keep).copy() for _ in range(6)]

    found = undisturbed(scenario, 2.0, play, agent="rate-rule")
    assert len({t.batch.tobytes() for t in wanted}) > 1
    for k, (seen, simulated) in enumerate(zip(found, wanted, strict=True)):
        assert (seen.set_by == BY_AGENT).all()
        for name in SETTINGS:
            np.testing.assert_array_equal(getattr(seen, name), getattr(simulated, name), err_msg=f"{name}, window {k}")


@pytest.mark.parametrize("nodes", ["thread", "processes"])
def test_the_host_overrides_an_agent_for_as_long_as_its_word_is_valid(scenario, nodes):
    with simulated_rack(scenario, 2.0, nodes=nodes, join_s=PATIENCE_S, agent="static") as rack:
        rack.reset(0)
        watch = Watch(rack)
        watch.all_heard()
        t = rack._gatherer.telemetry
        assert (t.set_by == BY_AGENT).all()
        decision = Decision.keep(rack.cluster)
        decision.batch[:] = 3
        rack.override = True
        for _ in range(40):
            watch.step(decision)
            if t.valid.all() and (t.set_by == BY_HOST).all():
                break
        assert (t.batch == 3).all() and (t.set_by == BY_HOST).all()
        rack.override = False
        for _ in range(40):
            watch.step(decision)
            if t.valid.all() and (t.set_by == BY_AGENT).all():
                break
        assert (t.set_by == BY_AGENT).all() and not (t.batch == 3).all()


def test_agents_go_on_when_the_host_has_left(scenario):
    host, pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
    roster = local_roster(scenario, 4.0, control="agent")
    backend = BridgeBackend(roster, host, Fixed({pair.public: name for name, pair in pairs.items()}), join_s=60)
    nodes = NodesThread(scenario, backend.address, host.public, pairs, roster.period_ns, agent="rate-rule")
    try:
        with nodes:
            backend.reset(0)
            Watch(backend).all_heard()
            backend.close()
            world = nodes._nodes.world
            begun, end = world.steps, time.monotonic() + PATIENCE_S
            while world.steps < begun + 8 and time.monotonic() < end:
                time.sleep(0.05)
            assert world.steps >= begun + 8  # more than twice as long as a decision is valid
            assert (world._telemetry.set_by == BY_HOST).all()  # set by who speaks for the device, not fallen to safe
    finally:
        backend.close()


@pytest.mark.parametrize("name", ["octopinf", "jellyfish"])
def test_a_policy_that_needs_the_cluster_does_not_run_on_board(scenario, name):
    with pytest.raises(OctoGymError, match=r"on board: scope 'cluster'.*allowed: scope 'agent'"):
        OnboardPolicy(name, scenario.cluster)
