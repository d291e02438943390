"""SHA-256 of resolved objects: what a result was computed from, whatever file it was written in."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np


def fingerprint(value: Any) -> str:
    """Hexadecimal SHA-256 of a tree of dataclasses, containers, arrays, numbers and text; equal trees, equal digests.

    TypeError for anything else, so that nothing is left out unnoticed.
    """
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        _head(digest, "object", type(value).__name__)
        for item in fields(value):
            if item.compare:
                _head(digest, "field", item.name)
                _feed(digest, getattr(value, item.name))
    elif isinstance(value, np.ndarray):
        _head(digest, "array", f"{value.dtype.str}{value.shape}")
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        _head(digest, "dict", str(len(value)))
        for key in sorted(value, key=repr):
            _feed(digest, key)
            _feed(digest, value[key])
    elif isinstance(value, (list, tuple)):
        _head(digest, "list", str(len(value)))
        for item in value:
            _feed(digest, item)
    elif isinstance(value, (frozenset, set)):
        _feed(digest, sorted(value, key=repr))
    elif isinstance(value, Enum):
        _head(digest, "enum", value.name)
    elif isinstance(value, np.generic):
        _feed(digest, value.item())
    elif value is None or isinstance(value, (bool, int, float, str, bytes)):
        _head(digest, type(value).__name__, repr(value))
    elif isinstance(value, PurePath):
        # The name alone: where a file lies is no part of what it says.
        _head(digest, "path", value.name)
    else:
        raise TypeError(f"{type(value).__name__} has no fingerprint")


def _head(digest: Any, kind: str, text: str) -> None:
    data = text.encode("utf-8")
    digest.update(f"{kind}:{len(data)}:".encode())
    digest.update(data)
