"""Checks a document against the schema and fills in defaults; complaints name file, key, value and what is allowed."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Optional

from octogym.cluster.loading.document import Document, Path_, choices, nearest
from octogym.cluster.loading.schema import REQUIRED, Key, Named, Table

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
_PLAIN = {
    "string": (str, "a string"),
    "boolean": (bool, "true or false"),
}


def check(document: Document, schema: Any, value: Any, path: Path_ = ()) -> Any:
    """The value with defaults filled in; raises ScenarioError."""
    if isinstance(schema, Table):
        return _table(document, schema, value, path)
    if isinstance(schema, Named):
        return _named(document, schema, value, path)
    return _plain(document, schema, value, path)


def _table(document: Document, schema: Table, value: Any, path: Path_) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise document.error(path, value, f"a table with keys {', '.join(schema.keys)}")
    for name in value:
        if name not in schema.keys:
            raise document.error(
                (*path, name), value[name], f"no such key here; {choices(name, schema.keys, 'keys are')}"
            )
    checked: Dict[str, Any] = {}
    for name, inner in schema.keys.items():
        here = (*path, name)
        if name in value:
            checked[name] = check(document, inner, value[name], here)
        elif isinstance(inner, Key):
            if inner.default is REQUIRED:
                raise document.error(here, None, f"this key must be given: {_wanted(inner)}; {inner.doc}")
            checked[name] = list(inner.default) if isinstance(inner.default, list) else inner.default
        elif isinstance(inner, Table):
            checked[name] = None if inner.optional else check(document, inner, {}, here)
        else:
            checked[name] = _named(document, inner, {}, here)
    return checked


def _named(document: Document, schema: Named, value: Any, path: Path_) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise document.error(path, value, f"a table of {schema.doc or 'named entries'}")
    if schema.required and not value:
        raise document.error(path, value, f"at least one entry: {schema.doc}")
    for name in value:
        if schema.names == "plain" and not _NAME.match(name):
            raise document.error((*path, name), name, "a name of letters, digits, '-', '_' and '.'")
    return {name: check(document, schema.entry, entry, (*path, name)) for name, entry in value.items()}


def _wanted(key: Key) -> str:
    """In words what a key takes."""
    if key.allowed:
        return "one of " + ", ".join(repr(item) for item in key.allowed)
    bounds = []
    if key.above is not None:
        bounds.append(f"above {key.above:g}")
    if key.low is not None:
        bounds.append(f"at least {key.low:g}")
    if key.high is not None:
        bounds.append(f"at most {key.high:g}")
    where = (" " + " and ".join(bounds) if bounds else "") + (f" ({key.unit})" if key.unit else "")
    words = {
        "string": "a string",
        "strings": "a string or a list of strings",
        "boolean": "true or false",
        "integer": "a whole number" + where,
        "integers": ("a list of " + (f"{key.size} " if key.size else "") + "whole numbers") + where,
        "number": "a number" + where,
        "numbers": "a list of numbers" + where,
        "range": "two numbers in ascending order, or one" + where,
        "batching": 'a number at least 0 (ms), or "deadline"',
    }
    return words[key.kind]


def _number(value: Any, key: Key, whole: bool) -> Optional[float]:
    """The value if it is a number of the key's type within its bounds, else None."""
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        return None
    inside = (
        (key.low is None or value >= key.low)
        and (key.high is None or value <= key.high)
        and (key.above is None or value > key.above)
    )
    if not inside:
        return None
    return value if whole else float(value)


def _plain(document: Document, key: Key, value: Any, path: Path_) -> Any:
    kind = key.kind
    if kind in _PLAIN:
        wanted, _ = _PLAIN[kind]
        if isinstance(value, wanted) and (not key.allowed or value in key.allowed):
            return value
        hint = nearest(value, key.allowed) if key.allowed and isinstance(value, str) else ""
        raise document.error(path, value, _wanted(key) + hint)
    if kind == "strings":
        items = [value] if isinstance(value, str) else value
        if isinstance(items, (list, tuple)) and all(isinstance(item, str) and item for item in items):
            return list(items)
        raise document.error(path, value, _wanted(key))
    if kind == "batching" and value == "deadline":
        return value
    if kind in ("integer", "number", "batching"):
        number = _number(value, key, whole=kind == "integer")
        if number is None:
            raise document.error(path, value, _wanted(key))
        return number
    return _list(document, key, value, path)


def _list(document: Document, key: Key, value: Any, path: Path_) -> Any:
    whole = key.kind == "integers"
    items = [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if key.kind == "range" and isinstance(items, (list, tuple)) and len(items) == 1:
        items = [items[0], items[0]]
    good = isinstance(items, (list, tuple)) and len(items) > 0
    good = good and (key.size is None or len(items) == key.size)
    numbers = [_number(item, key, whole) for item in items] if good else [None]
    if None in numbers or (key.kind == "range" and (len(numbers) != 2 or numbers[0] > numbers[1])):  # type: ignore[operator]
        raise document.error(path, value, _wanted(key))
    return numbers
