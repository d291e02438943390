"""Uploads and replies as bytes: a small msgpack header and the arrays' raw float32. Runs on a device (Python 3.8).

A message is one msgpack array; its last two elements are a table, `name:8x64 name:64 ...` (a scalar is `name:`), and
the arrays' values, little-endian float32, one after the other in the table's order. Nothing in it can call anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
import numpy as np

from octogym.fed.errors import WireError
from octogym.fed.update import Reply, Upload

#: Largest message that is looked into, in bytes; an FCPO agent of the largest head sizes has 31 kB.
MAX_BYTES = 1 << 20
#: Most arrays in a message, and most characters of a name.
MAX_ARRAYS, MAX_NAME = 64, 200

_ENTRY = re.compile(r"([A-Za-z0-9_.-]{1,64}):((?:[0-9]{1,6}(?:x[0-9]{1,6}){0,3})?)", re.ASCII)
_FLOAT = np.dtype("<f4")


_T = TypeVar("_T")


class _Upload(msgspec.Struct, array_like=True, forbid_unknown_fields=True, tag="octogym.upload.1"):
    client: str
    device: str
    round: int
    r: int
    b: int
    m: int
    loss: float
    table: str
    values: bytes


class _Reply(msgspec.Struct, array_like=True, forbid_unknown_fields=True, tag="octogym.reply.1"):
    client: str
    round: int
    completed: int
    table: str
    values: bytes


def encode_upload(upload: Upload) -> bytes:
    """The message of an upload.

    Raises:
        WireError: an array that is not float32, or anything that `decode_upload` would not take.
    """
    _check_names(upload.client, upload.device)
    table, values = _pack(upload.parameters)
    r, b, m = upload.sizes
    return _sendable(_Upload(upload.client, upload.device, upload.round, r, b, m, float(upload.loss), table, values))


def encode_reply(reply: Reply) -> bytes:
    """The message of a reply; errors as in `encode_upload`."""
    _check_names(reply.client)
    return _sendable(_Reply(reply.client, reply.round, reply.completed, *_pack(reply.parameters)))


def decode_upload(message: bytes, max_bytes: int = MAX_BYTES) -> Upload:
    """The upload of a message. Whether its names, shapes and values are right is for the round's checks to say.

    Raises:
        WireError: anything else, or more than `max_bytes`; checked before anything of that size is made.
    """
    m = _decoded(message, max_bytes, _Upload)
    _check_names(m.client, m.device)
    return Upload(m.client, m.device, m.round, (m.r, m.b, m.m), m.loss, _unpack(m.table, m.values))


def decode_reply(message: bytes, max_bytes: int = MAX_BYTES) -> Reply:
    """The reply of a message; errors as in `decode_upload`."""
    m = _decoded(message, max_bytes, _Reply)
    _check_names(m.client)
    return Reply(m.client, m.round, m.completed, _unpack(m.table, m.values))


def raw_bytes(parameters: Mapping[str, np.ndarray]) -> int:
    """Bytes of the arrays alone."""
    return sum(4 * int(array.size) for array in parameters.values())


def _sendable(message: _Upload | _Reply) -> bytes:
    data = msgspec.msgpack.encode(message)
    if len(data) > MAX_BYTES:
        raise WireError(f"a message of {len(data)} bytes: at most {MAX_BYTES}")
    return data


def _decoded(message: bytes, max_bytes: int, kind: type[_T]) -> _T:
    if len(message) > max_bytes:
        raise WireError(f"a message of {len(message)} bytes: at most {max_bytes}")
    try:
        return msgspec.msgpack.decode(message, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise WireError(f"no message of a round: {error}") from error


def _check_names(*names: str) -> None:
    for name in names:
        if not 0 < len(name) <= MAX_NAME:
            raise WireError(f"a name of {len(name)} characters: 1 to {MAX_NAME}")


def _pack(parameters: Mapping[str, np.ndarray]) -> tuple[str, bytes]:
    entries, values = [], []
    for name in sorted(parameters):
        array = parameters[name]
        if array.dtype != np.float32:
            raise WireError(f"array {name!r} is {array.dtype}: expected float32")
        entry = name + ":" + "x".join(map(str, array.shape))
        if not _ENTRY.fullmatch(entry):
            raise WireError(f"array {entry!r}: expected a name of letters, digits, _ . - and at most four axes")
        entries.append(entry)
        values.append(np.ascontiguousarray(array, _FLOAT).tobytes())
    if len(entries) > MAX_ARRAYS:
        raise WireError(f"{len(entries)} arrays: at most {MAX_ARRAYS}")
    return " ".join(entries), b"".join(values)


def _unpack(table: str, values: bytes) -> dict[str, np.ndarray]:
    entries = table.split(" ") if table else []
    if len(entries) > MAX_ARRAYS:
        raise WireError(f"{len(entries)} arrays: at most {MAX_ARRAYS}")
    shapes: dict[str, tuple[int, ...]] = {}
    total = 0
    for entry in entries:
        found = _ENTRY.fullmatch(entry)
        if found is None or found.group(1) in shapes:
            raise WireError(f"table entry {entry[:80]!r}: expected name:8x64, each name once")
        shape = tuple(int(n) for n in found.group(2).split("x")) if found.group(2) else ()
        shapes[found.group(1)] = shape
        count = 1
        for n in shape:
            count *= n
        total += count
    if 4 * total != len(values):
        raise WireError(f"the table speaks of {4 * total} bytes, the message holds {len(values)}")
    arrays = {}
    start = 0
    flat = np.frombuffer(values, _FLOAT).astype(np.float32)
    for name, shape in shapes.items():
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = flat[start : start + count].reshape(shape)
        start += count
    return arrays
