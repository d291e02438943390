"""Runs on CPython 3.8 as well."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.fed.errors import WireError
from octogym.fed.update import Reply, Upload
from octogym.fed.wire import (
    MAX_BYTES,
    decode_reply,
    decode_upload,
    encode_reply,
    encode_upload,
    raw_bytes,
)
from tests.fed.toy import same, toy_upload

NAMES = st.text("abcdefgh_.0123456789", min_size=1, max_size=20)
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
ARRAYS = st.dictionaries(NAMES, st.tuples(SHAPES, st.integers(0, 2**32 - 1)), max_size=8)


def filled(found):
    """Arrays of any bits, NaN and infinities included."""
    arrays = {}
    for name, (shape, seed) in found.items():
        bits = np.random.default_rng(seed).integers(0, 2**32, int(np.prod(shape)), np.uint32)
        arrays[name] = bits.view(np.float32).reshape(shape)
    return arrays


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=40), st.integers(-(2**63), 2**63 - 1), st.floats(), ARRAYS)
def test_messages_come_back_bit_by_bit(client, number, loss, found):
    try:
        client.encode()
    except UnicodeEncodeError:
        return
    upload = Upload(client, "device-1", number, (1, 64, 4), loss, filled(found))
    again = decode_upload(encode_upload(upload))
    assert same(again.parameters, upload.parameters)
    assert {k: v.shape for k, v in again.parameters.items()} == {k: v.shape for k, v in upload.parameters.items()}
    assert (again.client, again.device, again.round, again.sizes) == (client, "device-1", number, (1, 64, 4))
    assert again.loss == loss or (np.isnan(again.loss) and np.isnan(loss))
    reply = decode_reply(encode_reply(Reply(client, number, 5, upload.parameters)))
    assert (reply.client, reply.round, reply.completed) == (client, number, 5) and same(
        reply.parameters, upload.parameters
    )


def test_arrays_that_come_back_may_be_written_to():
    upload = decode_upload(encode_upload(toy_upload("a")))
    upload.parameters["value.w"][:] = 1


@pytest.mark.parametrize("sizes", [(1, 8, 2), (2, 8, 2), (4, 64, 4)])
def test_a_message_of_an_iagent_is_within_a_tenth_of_its_raw_float32(sizes):
    r, b, m = sizes
    table = "backbone.w1:8x64 backbone.b1:64 backbone.w2:64x48 backbone.b2:48 backbone.gain:48 backbone.shift:48"
    table += f" value.w:48x1 value.b:1 resolution.w:48x{r} resolution.b:{r} batch.w:{48 + r}x{b} batch.b:{b}"
    table += f" threads.w:{48 + r}x{m} threads.b:{m}"
    entries = (entry.split(":") for entry in table.split())
    shapes = {name: tuple(map(int, shape.split("x"))) for name, shape in entries}
    parameters = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    size = raw_bytes(parameters)
    assert size == 4 * (8 * 64 + 64 + 64 * 48 + 48 + 96 + 49 + 49 * r + (49 + r) * (b + m))
    upload = Upload("agx-3/traffic.detector", "agx-3", 10**6, sizes, 0.123, parameters)
    assert size < len(encode_upload(upload)) < 1.1 * size
    assert size < len(encode_reply(Reply("agx-3/traffic.detector", 10**6, 10**6, parameters))) < 1.1 * size


GOOD = encode_upload(toy_upload("a"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(GOOD)))
def test_damage_is_an_upload_or_a_wire_error_and_nothing_else(changes, end):
    message = bytearray(GOOD)
    for at, byte in changes:
        message[at] = byte
    for data in (bytes(message), bytes(message[:end])):
        try:
            upload = decode_upload(data)
        except WireError:
            continue
        assert all(array.dtype == np.float32 for array in upload.parameters.values())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    for decode in (decode_upload, decode_reply):
        with pytest.raises(WireError):
            decode(data)


@pytest.mark.parametrize("cut", [1, 2, 7, 50, len(GOOD) - 1])
def test_a_cut_message_is_refused(cut):
    with pytest.raises(WireError):
        decode_upload(GOOD[:-cut])


def raw(table, values, client="a"):
    return msgspec.msgpack.encode(["octogym.reply.1", client, 1, 0, table, values])


def test_a_message_written_by_hand_is_read():
    assert decode_reply(raw("a:2 b:", b"\0" * 12)).parameters["a"].shape == (2,)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (raw("a:2", b"\0" * 4), "speaks of 8 bytes"),
        (raw("a:2", b"\0" * 12), "the message holds 12"),
        (raw("a:999999x999999x999999x999999", b""), "the message holds 0"),
        (raw("a:2 a:2", b"\0" * 16), "each name once"),
        (raw("a:-2", b""), "table entry"),
        (raw("a:2x", b""), "table entry"),
        (raw("a:1x1x1x1x1", b"\0" * 4), "table entry"),
        (raw("../a:1", b"\0" * 4), "table entry"),
        (raw("a:\u0661", b"\0" * 4), "table entry"),
        (raw(" ".join(f"a{i}:0" for i in range(65)), b""), "65 arrays"),
        (raw("a:1", b"\0" * 4, ""), "a name of 0 characters"),
        (raw("a:1", b"\0" * 4, "n" * 201), "a name of 201 characters"),
        (GOOD, "no message of a round"),
        (msgspec.msgpack.encode(["octogym.reply.1", "a", 1, 0, "", b"", "more"]), "no message of a round"),
        (b"\x91" * 100_000, "no message of a round"),
        (b"\xc6\xff\xff\xff\xff", "no message of a round"),
        (b"\xdd\xff\xff\xff\xff", "no message of a round"),
        (bytes(MAX_BYTES + 1), "at most 1048576"),
    ],
)
def test_limits_are_checked(message, problem):
    with pytest.raises(WireError, match=problem):
        decode_reply(message)


def test_what_could_not_be_read_is_not_written():
    for parameters in (
        {"a": np.zeros(1)},
        {"a b": np.zeros(1, np.float32)},
        {"a": np.zeros((1, 1, 1, 1, 1), np.float32)},
        {"a": np.zeros(MAX_BYTES // 4, np.float32)},
        {f"a{i}": np.zeros(1, np.float32) for i in range(65)},
    ):
        with pytest.raises(WireError):
            encode_reply(Reply("a", 1, 0, parameters))
    with pytest.raises(WireError):
        encode_upload(toy_upload(""))
