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


def flushed(half, now):
    """What `half` hands over now."""
    found = []
    half.flush(now, lambda key, frames: found.append((key, frames)) or True)
    return found


def test_weights_go_both_ways_within_a_session():
    pair = Pair()
    node, host = pair.nodes["a"].weights, pair.host.weights
    assert not node.send(weights())  # no session yet
    pair.run(1)
    assert node.send(weights(2.0))
    for _, frames in flushed(node, pair.t):
        host.receive(pair.t, pair.keys["a"], frames)
    ((device, found),) = host.fetch()
    assert (device, found.kind, found.instance, found.round) == ("a", "upload", INSTANCE, 3)
    assert (found.arrays["layer.weight"] == 2).all() and host.fetch() == []
    assert host.send(weights(3.0, "reply"))
    for key, frames in flushed(host, pair.t):
        assert key == pair.keys["a"]
        node.receive(pair.t, b"", frames)
    assert [float(found.arrays["layer.weight"][0, 0]) for found in node.fetch()] == [3.0]
    assert host.refused == node.refused == {}


@pytest.mark.parametrize(
    ("frames", "rule"),
    [
        (encode_weights(76, weights()), "session"),
        (encode_weights(77, weights(instance="b/p.detect")), "field"),
        (encode(m.Model(77, "shell", INSTANCE, 1, "0" * 64, []), b""), "field"),
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


def test_a_device_keeps_only_so_much_that_is_not_fetched():
    pair = Pair()
    pair.run(1)
    host = pair.host.weights
    for round_, kind in enumerate(("upload", "reply", "policy")):  # three kinds of 15 MiB, and one of them again
        for k in range(2):
            large = Weights(kind, INSTANCE, 2 * round_ + k, {"x": np.zeros(15 << 20, np.int8)})
            host.receive(pair.t + (round_ * 2 + k) * 20_000_000_000, pair.keys["a"], encode_weights(77, large))
    assert sorted(found.round for _, found in host.fetch()) == [1, 3, 5] and not host.refused


def test_a_sender_never_reaches_its_receivers_limit():
    pair = Pair()
    pair.run(1)
    node, host, came = pair.nodes["a"].weights, pair.host.weights, []
    large = Weights("upload", INSTANCE, 1, {"x": np.zeros(6 << 20, np.int8)})
    for _ in range(8):
        assert node.send(large)
    for now in range(pair.t, pair.t + 60_000_000_000, 100_000_000):
        for _, frames in flushed(node, now):
            host.receive(now, pair.keys["a"], frames)
            came.append(now)
    assert len(came) == 8 and not host.refused
    assert came.count(pair.t) == 2 and came[-1] - came[0] < 20 * 1_000_000_000


def test_what_waits_is_bounded_kept_in_order_and_given_up_in_the_end():
    pair = Pair()
    pair.run(1)
    host, now, sent = pair.host.weights, pair.t, []
    large = Weights("policy", INSTANCE, 0, {"x": np.zeros(15 << 20, np.int8)})
    taken = 0
    while host.send(large):
        taken += 1
    assert taken == 8  # 128 MiB
    assert host.flush(now, lambda key, frames: False)
    assert not host.send(large)
    assert not host.flush(now + 61_000_000_000, lambda key, frames: False) and host.outgoing.given_up == taken
    for k in range(3):
        assert host.send(Weights("policy", INSTANCE, k, {"x": np.zeros(8)}))
    refuse_first = iter([False, True, True, True])
    take = lambda key, frames: next(refuse_first) and (sent.append(frames) or True)  # noqa: E731
    assert host.flush(now + 62_000_000_000, take) and not sent
    assert not host.flush(now + 63_000_000_000, take)
    assert [decode_weights(frames, 77, {INSTANCE}).round for frames in sent] == [0, 1, 2]
    assert host.send(weights(kind="policy"))
    pair.host.revoke(now, pair.keys["a"])
    assert not host.flush(now, lambda key, frames: True) and host.outgoing.given_up == taken + 1


def test_strangers_and_unknown_instances():
    pair = Pair()
    pair.host.weights.receive(0, b"nobody", encode_weights(77, weights()))
    assert pair.host.weights.refused == {"stranger": 1}
    with pytest.raises(ValueError, match="allowed: one of a device whose key is in the roster"):
        pair.host.weights.send(weights(instance="nobody/p.detect"))
    with pytest.raises(ProtocolError, match="allowed: upload, reply, policy"):
        pair.host.weights.send(weights(kind="shell"))


def test_a_socket_that_says_that_it_is_there_is_no_weights():
    pair = Pair()
    pair.host.weights.receive(0, pair.keys["a"], [b""])
    assert pair.host.weights.fetch() == [] and not pair.host.weights.refused


def test_control_says_the_same_at_the_same_time_whatever_weights_come_and_go():
    def play(busy):
        pair, said = Pair(), []
        pair.drop = lambda up, name, frames: said.append((pair.t, up, name, frames)) or False
        first = pair.start()
        for k in range(6):
            if busy:
                node, large = pair.nodes["a"].weights, Weights("upload", INSTANCE, k, {"x": np.zeros(2 << 20, np.int8)})
                assert node.send(large) and pair.host.weights.send(weights(kind="policy"))
                for _, frames in flushed(node, pair.t):
                    pair.host.weights.receive(pair.t, pair.keys["a"], frames)
                for _, frames in flushed(pair.host.weights, pair.t):
                    node.receive(pair.t, b"", frames)
                assert len(pair.host.weights.fetch()) == len(node.fetch()) == 1
            pair.step(first + k)
        return said

    assert play(busy=True) == play(busy=False)
