"""Weights have a socket of their own, and limits of their own."""

import numpy as np
import pytest

from octogym.bridge.protocol import ProtocolError, Weights
from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.codec import encode
from octogym.bridge.protocol.tables import pack
from octogym.bridge.protocol.weights import decode_weights, encode_weights
from tests.bridge.protocol.pair import Pair

INSTANCE = "a/p.detect"


def weights(value=1.0, kind="upload", instance=INSTANCE):
    return Weights(kind, instance, 3, {"layer.weight": np.full((8, 64), value, np.float32)})


def test_weights_go_both_ways_within_a_session():
    pair = Pair()
    node, host = pair.nodes["a"].weights, pair.host.weights
    assert not node.send(weights())  # no session yet
    pair.run(1)
    assert node.send(weights(2.0))
    for _, frames in node.outbox():
        host.receive(pair.t, pair.keys["a"], frames)
    ((device, found),) = host.fetch()
    assert (device, found.kind, found.instance, found.round) == ("a", "upload", INSTANCE, 3)
    assert (found.arrays["layer.weight"] == 2).all() and host.fetch() == []
    host.send("a", weights(3.0, "reply"))
    for key, frames in host.outbox():
        assert key == pair.keys["a"]
        node.receive(pair.t, b"", frames)
    assert [float(found.arrays["layer.weight"][0, 0]) for found in node.fetch()] == [3.0]
    assert host.refused == node.refused == {}


@pytest.mark.parametrize(
    ("frames", "rule"),
    [
        (encode_weights(76, weights()), "session"),
        (encode_weights(77, weights(instance="b/p.detect")), "field"),
        (encode_weights(77, weights(kind="shell")), "field"),
        (encode_weights(77, weights(np.nan)), "finite"),
        ([encode_weights(77, weights())[0], encode_weights(77, weights(9.0))[1]], "hash"),
        ([encode_weights(77, weights())[0]], "frames"),
        (encode(m.Bye(77)), "type"),
    ],
)
def test_what_is_not_this_instances_weights_is_refused(frames, rule):
    with pytest.raises(ProtocolError) as refused:
        decode_weights(frames, 77, {INSTANCE})
    assert refused.value.rule == rule


def test_only_the_latest_of_each_instance_waits():
    pair = Pair()
    pair.run(1)
    for k in range(50):
        pair.host.weights.receive(pair.t + k, pair.keys["a"], encode_weights(77, weights(float(k))))
    assert len(pair.host.weights.fetch()) == 1


def test_a_flood_of_weights_ends_at_the_limit():
    pair = Pair()
    pair.run(1)
    tables, payload = pack({"x": np.zeros(8 << 20, np.int8)})
    frames = encode(m.Model(77, "upload", INSTANCE, 1, "0" * 64, tables), payload)
    for _ in range(10):
        pair.host.weights.receive(pair.t, pair.keys["a"], frames)
    assert pair.host.weights.refused["rate"] >= 6


def test_strangers_and_unknown_devices():
    pair = Pair()
    pair.host.weights.receive(0, b"nobody", encode_weights(77, weights()))
    assert pair.host.weights.refused == {"stranger": 1}
    with pytest.raises(KeyError):
        pair.host.weights.send("nobody", weights())
