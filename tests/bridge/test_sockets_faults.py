"""Those who may connect, and misbehave."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

import zmq

from octogym.bridge.backend import BridgeBackend
from octogym.bridge.keys import Fixed, new_pair
from octogym.bridge.protocol import Card, NodeMachine
from octogym.bridge.protocol.codec import MAX_CONTROL
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.device_node.link import HostLink
from octogym.rack.loop import NodeLoop
from octogym.rack.sim_node import SimNode
from octogym.rack.up import local_roster
from octogym.rack.world import World

SLACK_S = 1.5


class Rack:
    """A host of traffic-2 in half-second windows; the nodes of `devices` are served between and during steps."""

    def __init__(self, devices):
        scenario = load_scenario("traffic-2")
        self.host, self.pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
        self.roster = local_roster(scenario, speed=2)
        admits = Fixed({pair.public: name for name, pair in self.pairs.items()})
        self.backend = BridgeBackend(self.roster, self.host, admits, join_s=2)
        world = World(scenario, self.roster.period_ns)
        mine = {device.id: device for device in scenario.cluster.devices if device.id in devices}
        nodes = {name: SimNode(world, name) for name in mine}
        self.nodes = NodeLoop(mine, nodes, self.backend.address, self.host.public, self.pairs)

    def link(self, context, device):
        return HostLink(context, self.backend.address, self.pairs[device], self.host.public, MAX_CONTROL)

    def step(self):
        begin = time.monotonic()
        self.backend.step(Decision.keep(self.backend.cluster))
        assert time.monotonic() - begin < self.roster.period_ns * 1.25e-9 + SLACK_S
        return {device: facts.fault for device, facts in self.backend.facts.items()}

    def until(self, done, windows=20):
        for _ in range(windows):
            faults = self.step()
            if done(faults):
                return faults
        raise AssertionError(f"not within {windows} windows: {faults}")


@contextmanager
def rack(devices):
    from threading import Event, Thread

    made, stop, context = Rack(devices), Event(), zmq.Context()

    def serve():
        while not stop.is_set():
            made.nodes.turn()

    thread = Thread(target=serve)
    thread.start()
    try:
        made.backend.reset(0)
        yield made, context
    finally:
        stop.set()
        thread.join()
        made.nodes.close()
        made.backend.close()
        context.destroy(0)


def test_a_node_that_says_it_is_another_is_rejected_and_the_other_one_goes_on():
    with rack(("cam-2", "server")) as (made, context):
        link = made.link(context, "cam-1")
        machine = NodeMachine(time.monotonic_ns(), None, Card("cam-2", secrets.randbits(62)))
        made.until(lambda faults: faults["cam-2"] == "")
        epoch = made.backend._session._machine.status(time.monotonic_ns())["cam-2"].epoch
        end = time.monotonic() + 10
        while not machine.rejected[0] and time.monotonic() < end:
            machine.tick(time.monotonic_ns())
            for _, frames in machine.outbox():
                link.send(frames)
            while (frames := link.receive()) is not None:
                machine.receive(time.monotonic_ns(), b"", frames)
            time.sleep(0.01)
        assert machine.rejected[0] == "identity" and machine.state == "greeting"
        faults = made.until(lambda faults: faults["cam-2"] == "")
        assert faults["cam-1"] == "ABSENT"
        assert made.backend._session._machine.status(time.monotonic_ns())["cam-2"].epoch == epoch
        link.close()


def test_a_known_key_that_floods_is_refused_and_harms_nobody_else():
    with rack(("cam-2", "server")) as (made, context):
        link, sent = made.link(context, "cam-1"), 0
        made.until(lambda faults: faults["cam-2"] == "" and faults["server"] == "")
        end = time.monotonic() + 10
        while sent < 3000 and time.monotonic() < end:
            if link.send([b"\x80" * 200]):
                sent += 1
            else:
                time.sleep(0.001)
        assert sent == 3000
        made.until(lambda faults: made.backend._session._machine.refused.get("rate", 0) > 1000)
        faults = made.until(lambda faults: faults["cam-2"] == "" and faults["server"] == "")
        assert faults["cam-1"] == "ABSENT"
        assert set(made.backend.tally.faults) <= {"ABSENT", "STALE"}
        link.close()
