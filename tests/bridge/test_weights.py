"""Weights over real sockets: whole, checked, and in nobody's way."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

import zmq

from octogym.bridge.backend import BridgeBackend
from octogym.bridge.keys import Fixed, new_pair
from octogym.bridge.protocol import ProtocolError, Weights
from octogym.bridge.protocol.codec import MAX_MODEL
from octogym.bridge.protocol.weights import encode_weights
from octogym.bridge.weights import WeightsEnded
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.device_node.weights import beside, weights_link
from octogym.rack.loop import NodeLoop
from octogym.rack.sim_node import SimNode
from octogym.rack.up import local_roster
from octogym.rack.world import World

PATIENCE_S = 30.0
MINE, OTHER = "cam-1/traffic.yolov5n", "cam-2/traffic.yolov5n"


class Admits(Fixed):
    """Keys that a test takes away."""

    changed = False

    def refresh(self):
        before, self.changed = self.changed, False
        return before


class Rack:
    def __init__(self, curve=True, speed=2.0):
        scenario = load_scenario("traffic-2")
        self.pair, self.pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
        self.host = self.pair.public if curve else None
        self.admits = Admits({pair.public: name for name, pair in self.pairs.items()})
        roster = local_roster(scenario, speed, curve)
        self.backend = BridgeBackend(roster, self.pair if curve else None, self.admits)
        world = World(scenario, roster.period_ns)
        devices = {device.id: device for device in scenario.cluster.devices}
        nodes = {name: SimNode(world, name) for name in devices}
        self.asked = []  # to be done by the nodes' thread
        self.nodes = NodeLoop(devices, nodes, self.backend.address, self.host, self.pairs)

    def link(self, context, device="cam-1"):
        port = self.backend.weights.port
        return weights_link(self.backend.address, port, self.pairs[device], self.host)(context)

    @property
    def session_number(self):
        return self.nodes.session("cam-1").machine.session

    def refused(self, rule):
        return self.backend.weights.turned_away().get(rule, 0)


@contextmanager
def rack(**settings):
    made, stop = Rack(**settings), Event()

    def serve():
        while not stop.is_set():
            made.nodes.turn()
            while made.asked:
                made.asked.pop()()

    thread = Thread(target=serve)
    thread.start()
    try:
        made.backend.reset(0)
        yield made
    finally:
        stop.set()
        thread.join()
        made.nodes.close()
        made.backend.close()


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.destroy(0)


def until(done, what):
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S} s"
        time.sleep(0.02)


def largest(kind, seed):
    """Weights of nearly 16 MiB."""
    values = np.random.default_rng(seed).standard_normal((MAX_MODEL - 1024) // 4, np.float32)
    return Weights(kind, MINE, seed, {"layer": values})


def transfer(made, down, up):
    """Both at once while the rack is stepped; returns what came and how many steps were late meanwhile."""
    backend, node, taken, came = made.backend, made.nodes.session("cam-1"), [], {}
    keep, late = Decision.keep(backend.cluster), backend.tally.late_steps
    sender = Thread(target=lambda: taken.extend((backend.weights.send(down), node.send_weights(up))))
    sender.start()
    end = time.monotonic() + 4 * PATIENCE_S
    while len(came) < 2 and time.monotonic() < end:
        backend.step(keep)
        came.update(("host", found) for _, found in backend.weights.fetch())
        came.update(("node", found) for found in node.fetch_weights())
    sender.join()
    assert taken == [True, True]
    return came, backend.tally.late_steps - late


@pytest.mark.parametrize("curve", [True, False])
def test_sixteen_mebibytes_each_way_while_the_rack_is_stepped(curve):
    with rack(curve=curve, speed=1.0) as made:
        for attempt in range(4):  # a busy machine is late without any weights
            down, up = largest("policy", 2 * attempt), largest("upload", 2 * attempt + 1)
            came, late = transfer(made, down, up)
            for where, sent in (("node", down), ("host", up)):
                found = came[where]
                assert (found.kind, found.instance, found.round) == (sent.kind, MINE, sent.round)
                np.testing.assert_array_equal(found.arrays["layer"], sent.arrays["layer"])
            if not late:
                break
        assert not late
        assert made.backend.weights.fetch() == [] and not made.nodes.session("cam-1").machine.weights.refused


def test_what_is_damaged_foreign_too_large_or_too_much_is_refused_for_that_key_alone(context):
    with rack() as made:
        weights, session = made.backend.weights, made.session_number
        link = made.link(context)  # a second connection of cam-1's key

        def send(frames):
            until(lambda: link.send(frames), "sending")

        small = Weights("upload", MINE, 1, {"x": np.ones(8, np.float32)})
        good = encode_weights(session, small)
        send([good[0], bytes(len(good[1]))])
        until(lambda: made.refused("hash"), "a bad hash")
        send(encode_weights(session, Weights("upload", OTHER, 1, {"x": np.ones(8, np.float32)})))
        until(lambda: made.refused("field"), "another device's instance")
        send(encode_weights(session + 1, small))
        until(lambda: made.refused("session"), "another session")
        send(encode_weights(session, Weights("upload", MINE, 1, {"x": np.full(8, np.inf)})))
        until(lambda: made.refused("finite"), "no number")
        send([good[0], bytes(MAX_MODEL - 64)])  # no frame is too large, but the message is
        until(lambda: made.refused("size"), "a large message")
        assert weights.fetch() == []
        for _ in range(400):
            send(good)
        until(lambda: made.refused("rate"), "a flood")
        assert [device for device, _ in weights.fetch()] == ["cam-1"]
        assert made.nodes.session("cam-2").send_weights(Weights("upload", OTHER, 5, {"x": np.ones(8, np.float32)}))
        until(lambda: "cam-2" in [device for device, _ in weights.fetch()], "another device's own")
        send([bytes(MAX_MODEL + 1)])  # ends that connection
        link.close()
        made.backend.step(Decision.keep(made.backend.cluster))
        assert made.backend.facts["cam-1"].present


def test_a_stranger_does_not_get_through_and_a_revoked_key_no_more(context):
    with rack() as made:
        backend, session = made.backend, made.session_number
        strange = weights_link(backend.address, backend.weights.port, new_pair(), made.host)(context)
        until(lambda: strange.send([b"x"]) or made.refused("strangers"), "turning a stranger away")
        strange.close()
        assert made.refused("strangers")
        link = made.link(context)
        frames = encode_weights(session, Weights("upload", MINE, 1, {"x": np.ones(8, np.float32)}))
        until(lambda: link.send(frames), "sending")
        until(lambda: [device for device, _ in backend.weights.fetch()] == ["cam-1"], "the key's weights")
        made.admits.devices = {k: d for k, d in made.admits.devices.items() if d != "cam-1"}
        made.admits.changed = True
        backend.step(Decision.keep(backend.cluster))
        assert backend.facts["cam-1"].fault == "REVOKED"
        link.send(frames)
        until(lambda: made.refused("revoked"), "silencing a revoked key")
        assert backend.weights.fetch() == []
        with pytest.raises(ValueError, match="allowed: one of a device whose key is in the roster"):
            backend.weights.send(Weights("policy", MINE, 1, {"x": np.ones(8, np.float32)}))
        link.close()


def test_a_node_that_comes_again_is_found_again():
    with rack() as made:
        backend, node = made.backend, made.nodes.session("cam-1")
        port = backend.weights.port
        made.asked.append(node.cut)
        until(lambda: node.link is None, "cutting the link")
        assert backend.weights.send(Weights("policy", MINE, 7, {"x": np.ones(8, np.float32)}))
        made.asked.append(node.mend)
        until(lambda: [found.round for found in node.fetch_weights()] == [7], "weights for a node that was away")
        assert backend.weights.port == port


def test_what_cannot_be_sent_is_said_at_once():
    with rack() as made:
        weights = made.backend.weights
        with pytest.raises(ProtocolError, match="at most 16777216"):
            weights.send(Weights("policy", MINE, 1, {"x": np.zeros(MAX_MODEL, np.int8)}))
        with pytest.raises(ValueError, match="instance 'nobody'"):
            weights.send(Weights("policy", "nobody", 1, {}))
    with pytest.raises(WeightsEnded):
        weights.fetch()


def test_where_a_node_finds_the_socket():
    assert beside("tcp://10.0.0.1:5760", 5761) == "tcp://10.0.0.1:5761"
    assert beside("tcp://[::1]:5760", 80) == "tcp://[::1]:80"
    assert beside("ipc:///run/octogym", 5761) == "tcp://127.0.0.1:5761"
