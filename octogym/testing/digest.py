"""Bit-exact comparison of nested data: what two runs must agree on."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


class Digest:
    """SHA-256 of whatever is fed to it, in order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def feed(self, value: Any) -> None:
        """Add nested dicts, lists, tuples, dataclasses, arrays and plain values, with their types."""
        h = self._hash
        if isinstance(value, Mapping):
            h.update(b"{")
            for key in sorted(value, key=str):
                self.feed(str(key))
                self.feed(value[key])
        elif isinstance(value, np.ndarray):
            h.update(f"a{value.dtype.str}{value.shape}".encode())
            if value.dtype == object:
                self.feed(value.tolist())
            else:
                h.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, (list, tuple)):
            h.update(b"[")
            for item in value:
                self.feed(item)
            h.update(b"]")
        elif is_dataclass(value):
            for field in fields(value):
                self.feed(field.name)
                self.feed(getattr(value, field.name))
        elif isinstance(value, (float, np.floating)):
            h.update(b"f" + struct.pack("<d", float(value)))
        else:
            h.update(repr(value).encode())

    def hex(self) -> str:
        return self._hash.hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of nested data."""
    made = Digest()
    made.feed(value)
    return made.hex()


def difference(first: Any, second: Any, path: str = "") -> str | None:
    """Where two nested values differ bit by bit, in words; None if nowhere."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if first.keys() != second.keys():
            return f"{path or 'value'}: keys {sorted(map(str, first.keys() ^ second.keys()))} in one only"
        for key in first:
            found = difference(first[key], second[key], f"{path}[{key!r}]")
            if found:
                return found
        return None
    if is_dataclass(first) and is_dataclass(second):
        for field in fields(first):
            found = difference(getattr(first, field.name), getattr(second, field.name), f"{path}.{field.name}")
            if found:
                return found
        return None
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)) and len(first) == len(second):
        for n, (x, y) in enumerate(zip(first, second, strict=True)):
            found = difference(x, y, f"{path}[{n}]")
            if found:
                return found
        return None
    if digest(first) == digest(second):
        return None
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.shape == second.shape:
        at = np.argwhere(~((first == second) | ((first != first) & (second != second))))
        if len(at):
            where = tuple(int(i) for i in at[0])
            return f"{path}{list(where)}: {first[where]!r} and {second[where]!r}"
    return f"{path or 'value'}: {first!r} and {second!r}"
