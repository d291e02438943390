"""Whatever arrives is a message or a typed refusal, within the memory that its size allows."""

import tracemalloc

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from octogym.bridge.protocol import MAX_CONTROL, MAX_MODEL, RULES, VERSION, ProtocolError
from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.codec import encode, reader
from octogym.bridge.protocol.tables import encode_tables

HASH = "ab" * 32
MESSAGES = [
    m.Hello(
        [1], "cam-1", 5, 1, m.Hardware("nano", 4, 1, 1, 1 << 30), [m.ModelFile("yolo", HASH)], ["street"], {"a": "b"}
    ),
    m.Welcome(1, 1, 1, 10**9),
    m.Reject(1, 0, 0, "session", "greet anew"),
    m.Deploy(1, 2, 3, HASH),
    m.Deployed(1, 2, 3, HASH, 0, "busy", ""),
    m.Peers(1, 2, 3, [m.Peer("cam-2", "tcp://10.0.0.2:7000", "00" * 32)]),
    m.Reset(1, 2, 3, 4, 5),
    m.Start(1, 2, 3, 4, 5),
    m.Started(1, 2, 3, 4),
    m.Ack(1, 2, 3, "late", "window 3; now 4"),
    m.Act(1, 2, 3, 4, encode_tables([m.Table("x", "int8", [0])])),
    m.Obs(1, 2, 3, 4, 1, 10**9, 5, 4, 4, False, encode_tables([m.Table("x", "int8", [0])])),
    m.Ping(1, 2, 3, 4, 5, 6),
    m.Pong(1, 2, 3, 4, 5, -1, 0),
    m.Fault(1, 2, 3, -1, "engine", "no answer"),
    m.Bye(1, "upgrade"),
    m.Model(1, "upload", "cam-1/p.detect", 3, HASH, []),
]
ALL = (*m.FROM_NODE, *m.FROM_HOST[:-1], m.Model)


def frames_of(message):
    return encode(message, b"payload" if isinstance(message, m.WITH_PAYLOAD) else None)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_survives_the_wire(message):
    received = reader(ALL).read(frames_of(message))
    assert received.message == message
    assert received.payload == (b"payload" if isinstance(message, m.WITH_PAYLOAD) else b"")


def test_all_messages_are_tried():
    assert {type(message) for message in MESSAGES} == set(ALL)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_fields_of_later_versions_are_ignored(message):
    later = {**msgspec.msgpack.decode(encode_header(message)), "of_version_9": [1, {"x": None}]}
    frames = [msgspec.msgpack.encode(later), *frames_of(message)[1:]]
    assert reader(ALL).read(frames).message == message


def test_optional_fields_may_be_absent():
    hello = msgspec.msgpack.encode({"type": "hello", "versions": [1], "device": "a", "boot": 1, "nonce": 1})
    assert reader(ALL).read([hello]).message == m.Hello([1], "a", 1, 1)


def test_what_is_published_as_spoken_is_this_version_and_the_one_before():
    assert m.SPOKEN == (1,) and VERSION == 1


@pytest.mark.parametrize(
    ("frames", "rule"),
    [
        ([], "frames"),
        ([b"", b"", b""], "frames"),
        ([msgspec.msgpack.encode(m.Bye(1)), b""], "frames"),
        ([msgspec.msgpack.encode(m.Deploy(1, 2, 3, HASH))], "frames"),
        ([bytes(MAX_CONTROL + 1)], "size"),
        ([b"\xc1"], "msgpack"),
        ([b""], "msgpack"),
        ([msgspec.msgpack.encode([1, 2])], "field"),
        ([msgspec.msgpack.encode({"type": "format-disk"})], "type"),
        ([msgspec.msgpack.encode({"type": "bye"})], "field"),
        ([msgspec.msgpack.encode({"type": "bye", "session": -1})], "field"),
        ([msgspec.msgpack.encode({"type": "bye", "session": True})], "field"),
        ([msgspec.msgpack.encode({"type": "bye", "session": 2**63})], "field"),
        ([msgspec.msgpack.encode({"type": "bye", "session": 1.5})], "field"),
        ([msgspec.msgpack.encode({"type": "bye", "session": 1, "text": "x" * 1001})], "field"),
        ([msgspec.msgpack.encode({"type": "hello", "versions": [], "device": "a", "boot": 1, "nonce": 1})], "field"),
        ([msgspec.msgpack.encode({"type": "hello", "versions": [-1], "device": "a", "boot": 1, "nonce": 1})], "field"),
        (
            [encode(m.Hello([1], "a", 1, 1, sources=["x" * 300]))[0]],
            "field",
        ),
        ([encode(m.Hello([1], "a", 1, 1, models=[m.ModelFile("x", "short")]))[0]], "field"),
        ([encode(m.Hello([1], "a", 1, 1, m.Hardware(cores=-1)))[0]], "field"),
        ([b"\x93" * 5000], "field"),
    ],
)
def test_refusals_name_their_rule(frames, rule):
    with pytest.raises(ProtocolError) as refused:
        reader(ALL).read(frames)
    assert refused.value.rule == rule and rule in str(refused.value)


@pytest.mark.parametrize("kind", m.FROM_HOST[:-1], ids=lambda kind: kind.__name__)
def test_what_only_the_host_sends_is_refused_by_the_host(kind):
    message = next(message for message in MESSAGES if type(message) is kind)
    with pytest.raises(ProtocolError) as refused:
        reader(m.FROM_NODE).read(frames_of(message))
    assert refused.value.rule == "type"


def test_a_message_that_nobody_would_take_is_not_sent():
    with pytest.raises(ProtocolError, match="size"):
        encode(m.Deploy(1, 2, 3, HASH), bytes(MAX_CONTROL))
    encode(m.Model(1, "policy", "i", 0, HASH, []), bytes(MAX_MODEL - 1000))


def test_a_header_that_speaks_of_billions_of_entries_takes_no_memory():
    bomb = msgspec.msgpack.encode({"type": "hello", "versions": 0, "device": "a", "boot": 1, "nonce": 1})
    bomb = bomb.replace(b"\xa8versions\x00", b"\xa8versions\xdd\xff\xff\xff\xff")
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        reader(ALL).read([bomb])
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(MESSAGES), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6), st.data()
)
def test_damaged_frames_are_messages_or_refusals(message, flips, data):
    frames = [bytearray(frame) for frame in frames_of(message)]
    for at, value in flips:
        frames[0][at % len(frames[0])] = value
    cut = data.draw(st.integers(0, len(frames[0])))
    frames[0] = frames[0][:cut] if data.draw(st.booleans()) else frames[0]
    try:
        reader(ALL).read([bytes(frame) for frame in frames])
    except ProtocolError as refused:
        assert refused.rule in RULES


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_bytes_are_messages_or_refusals(frames):
    try:
        reader(ALL).read(frames)
    except ProtocolError as refused:
        assert refused.rule in RULES


def encode_header(message):
    return msgspec.msgpack.encode(message)
