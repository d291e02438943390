"""Arrays in a payload frame: a table of names, dtypes and shapes, checked before anything of their size is made."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import msgspec
import numpy as np

from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.messages import Table
from octogym.bridge.protocol.ranges import RANGES

#: What an array may be made of; all little-endian.
DTYPES: Dict[str, np.dtype] = {
    "int8": np.dtype("|i1"),
    "uint8": np.dtype("|u1"),
    "int16": np.dtype("<i2"),
    "uint16": np.dtype("<u2"),
    "int32": np.dtype("<i4"),
    "uint32": np.dtype("<u4"),
    "int64": np.dtype("<i8"),
    "uint64": np.dtype("<u8"),
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
#: Each array begins at a multiple of this many bytes from the frame's start; zeros fill the gap.
ALIGN = 8
MAX_AXES = 4
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)
_ZEROS = bytes(ALIGN)

#: Shape that an array must have; None = any number of rows.
Shape = Tuple[Optional[int], ...]


def encode_tables(tables: Sequence[Table]) -> msgspec.Raw:
    """Tables as they stand in the header of an Act or Obs."""
    return msgspec.Raw(msgspec.msgpack.encode(tables))


_decode_tables = msgspec.msgpack.Decoder(List[Table]).decode


def decode_tables(raw: msgspec.Raw) -> List[Table]:
    """The tables of an Act or Obs.

    Raises:
        ProtocolError: rule "field".
    """
    try:
        tables = _decode_tables(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise ProtocolError("field", f"tables: {error}"[:300]) from error
    low, high = RANGES["tables"]
    if not low <= len(tables) <= high:
        raise ProtocolError("field", f"length of tables: {len(tables)}; allowed: {low} to {high}")
    return tables


def pack(arrays: Mapping[str, np.ndarray]) -> Tuple[List[Table], bytes]:
    """Table and payload frame of named arrays, in their order.

    Raises:
        ProtocolError: an array's dtype is not of `DTYPES` (rule "table").
    """
    tables, parts = [], []
    for name, array in arrays.items():
        dtype = _NAMES.get(array.dtype)
        if dtype is None:
            raise ProtocolError("table", f"{name}: dtype {array.dtype}; allowed: {', '.join(DTYPES)}")
        tables.append(Table(name, dtype, list(array.shape)))
        data = array.tobytes()
        parts.append(data)
        if len(data) % ALIGN:
            parts.append(_ZEROS[len(data) % ALIGN :])
    return tables, b"".join(parts)


def unpack(tables: Sequence[Table], payload: bytes) -> Dict[str, np.ndarray]:
    """Read-only views of `payload`.

    Raises:
        ProtocolError: rules "table", "bytes", "finite".
    """
    spans: List[Tuple[str, np.dtype, Tuple[int, ...], int, int]] = []
    seen = set()
    at = 0
    for table in tables:
        if table.dtype not in DTYPES:
            raise ProtocolError("table", f"{table.name[:80]}: dtype {table.dtype[:40]!r}; allowed: {', '.join(DTYPES)}")
        dtype = DTYPES[table.dtype]
        if not _NAME.fullmatch(table.name) or table.name in seen:
            raise ProtocolError("table", f"name {table.name[:80]!r}; allowed: letters, digits, _ . -, each name once")
        if len(table.shape) > MAX_AXES:
            raise ProtocolError("table", f"{table.name}: {len(table.shape)} axes; at most {MAX_AXES}")
        count = 1
        for size in table.shape:
            if size < 0:
                raise ProtocolError("table", f"{table.name}: shape {table.shape}")
            count *= size
        seen.add(table.name)
        spans.append((table.name, dtype, tuple(table.shape), count, at))
        at += -(-count * dtype.itemsize // ALIGN) * ALIGN
        if at > len(payload):
            raise ProtocolError("bytes", f"{table.name} would end at byte {at} of {len(payload)}")
    if at != len(payload):
        raise ProtocolError("bytes", f"the tables speak of {at} bytes, the frame has {len(payload)}")
    arrays = {}
    for name, dtype, shape, count, start in spans:
        array = np.frombuffer(payload, dtype, count, start) if count else np.zeros(0, dtype)
        if dtype.kind == "f" and not np.isfinite(array).all():
            raise ProtocolError("finite", f"{name} holds values that are not finite")
        arrays[name] = array.reshape(shape)
    return arrays


def expect(arrays: Mapping[str, np.ndarray], layout: Mapping[str, Tuple[str, Shape]]) -> None:
    """Require the arrays of `layout` (name -> dtype and shape); others are left alone.

    Raises:
        ProtocolError: rule "table".
    """
    for name, (dtype, shape) in layout.items():
        array = arrays.get(name)
        if array is None:
            raise ProtocolError("table", f"{name} is missing")
        same = shape == array.shape or (
            len(shape) == array.ndim and all(want in (None, have) for want, have in zip(shape, array.shape))
        )
        if not same or array.dtype != DTYPES[dtype]:
            raise ProtocolError(
                "table", f"{name} is {array.dtype} of shape {array.shape}; expected {dtype} of shape {shape}"
            )
