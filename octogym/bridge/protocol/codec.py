"""Frames to messages and back. Everything is checked here before a state machine sees it."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter, le
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

import msgspec

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.ranges import RANGES, TEXT_IN_LIST, WORDS

#: Largest message in bytes, header and payload together: on the control socket, and weights on theirs.
MAX_CONTROL = 256 << 10
MAX_MODEL = 16 << 20

_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)
_encode = msgspec.msgpack.Encoder().encode
Frames = List[bytes]


class Received(NamedTuple):
    """A message and its payload frame (empty where it has none)."""

    message: Any
    payload: bytes


def encode(message: Any, payload: Optional[bytes] = None) -> Frames:
    """The frames of a message.

    Raises:
        ProtocolError: it is larger than the receiver takes (rule "size").
    """
    frames = [_encode(message)] if payload is None else [_encode(message), payload]
    size, most = sum(map(len, frames)), MAX_MODEL if isinstance(message, m.Model) else MAX_CONTROL
    if size > most:
        raise ProtocolError("size", f"a message {type(message).__name__} of {size} bytes; at most {most}")
    return frames


@lru_cache(maxsize=None)
def reader(kinds: Tuple[Type[msgspec.Struct], ...], max_bytes: int = MAX_CONTROL) -> Reader:
    """The one reader of these messages; it holds no state."""
    return Reader(kinds, max_bytes)


class Reader:
    """Decodes what one side sends on one socket.

    Args:
        kinds: messages that may arrive.
        max_bytes: largest message.
    """

    def __init__(self, kinds: Sequence[Type[msgspec.Struct]], max_bytes: int) -> None:
        self._max = max_bytes
        self._decode = msgspec.msgpack.Decoder(Union[tuple(kinds)]).decode
        self._checks = {kind: _compiled(_checks_of(kind)) for kind in kinds}
        self._frames = {kind: 2 if issubclass(kind, m.WITH_PAYLOAD) else 1 for kind in kinds}

    def read(self, frames: Sequence[bytes]) -> Received:
        """The message in `frames`.

        Raises:
            ProtocolError: rules "frames", "size", "msgpack", "type", "field".
        """
        if not 1 <= len(frames) <= 2:
            raise ProtocolError("frames", f"{len(frames)} frames; allowed: a header, or a header and a payload")
        size = sum(map(len, frames))
        if size > self._max:
            raise ProtocolError("size", f"{size} bytes; at most {self._max}")
        try:
            message = self._decode(frames[0])
        except msgspec.ValidationError as error:
            raise ProtocolError("type" if "$.type" in str(error) else "field", str(error)[:300]) from error
        except _BROKEN as error:
            raise ProtocolError("msgpack", f"no msgpack map: {error}"[:300]) from error
        kind = type(message)
        for check in self._checks[kind]:
            check(message)
        if len(frames) != self._frames[kind]:
            raise ProtocolError("frames", f"{len(frames)} frames for {kind.__name__}")
        return Received(message, frames[1] if len(frames) == 2 else b"")


_NESTED = {"hardware": m.Hardware, "models": m.ModelFile, "peers": m.Peer, "tables": m.Table}
Check = Callable[[Any], None]
#: (field, least, most) of numbers, and checks of all other fields.
Checks = Tuple[List[Tuple[str, int, int]], List[Tuple[str, Check]]]


def _checks_of(kind: Any) -> Checks:
    """What the fields of a struct may hold; nested structs check their own."""
    tag = getattr(kind.__struct_config__, "tag", None)
    numbers: List[Tuple[str, int, int]] = []
    others: List[Tuple[str, Check]] = []
    for field, annotation in zip(kind.__struct_fields__, msgspec.structs.fields(kind)):
        if annotation.type in (bool, m.RawTables):  # whoever decodes tables checks them
            continue
        nested, label = _NESTED.get(field), f"{tag or kind.__name__}.{field}"
        low, high = (1, 1) if field == "hardware" else WORDS.get((str(tag), field)) or RANGES[field]
        if annotation.type is int:
            numbers.append((field, low, high))
        elif annotation.type is str or nested is m.Table:  # unpack checks what is in a table
            others.append((field, _length(label, low, high)))
        elif nested is not None:
            others.append((field, _structs(label, low, high, _checks_of(nested))))
        elif field in ("versions", "shape"):
            others.append((field, _numbers(label, low, high)))
        else:
            others.append((field, _texts(label, low, high)))
    return numbers, others


def _compiled(checks: Checks) -> List[Check]:
    """The same for whole messages: all numbers at once, as every message of every device comes through here."""
    numbers, others = checks
    found = [_of_field(field, check) for field, check in others]
    if numbers:
        fields, low, high = zip(*numbers)
        # A getter of one field returns it bare.
        found.append(_all_numbers(attrgetter(*fields, fields[0]), fields, (*low, low[0]), (*high, high[0])))
    return found


def _of_field(field: str, check: Check) -> Check:
    return lambda message: check(getattr(message, field))


def _all_numbers(
    values_of: Callable[[Any], Tuple[int, ...]], fields: Sequence[str], low: Sequence[int], high: Sequence[int]
) -> Check:
    def check(message: Any) -> None:
        values = values_of(message)
        if all(map(le, low, values)) and all(map(le, values, high)):
            return
        for field, found, least, most in zip(fields, values, low, high):
            if not least <= found <= most:
                raise _range_error(type(message).__name__.lower() + "." + field, found, least, most)

    return check


def _range_error(label: str, found: int, low: int, high: int) -> ProtocolError:
    return ProtocolError("field", f"{label}: {found}; allowed: {low} to {high}")


def _length(label: str, low: int, high: int) -> Check:
    def check(value: Any) -> None:
        if not low <= len(value) <= high:
            raise _range_error(f"length of {label}", len(value), low, high)

    return check


def _numbers(label: str, low: int, high: int) -> Check:
    length = _length(label, low, high)

    def check(value: Any) -> None:
        length(value)
        for item in value:
            if not 0 <= item <= 2**62:
                raise _range_error(label, item, 0, 2**62)

    return check


def _texts(label: str, low: int, high: int) -> Check:
    length, each = _length(label, low, high), _length(label, *TEXT_IN_LIST)

    def check(value: Any) -> None:
        length(value)
        texts: Dict[str, str] = value if isinstance(value, dict) else {}
        for item in (*value, *texts.values()):
            each(item)

    return check


def _structs(label: str, low: int, high: int, checks: Checks) -> Check:
    numbers, others = checks

    def check(value: Any) -> None:
        items = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not low <= len(items) <= high:
            raise _range_error(f"length of {label}", len(items), low, high)
        for item in items:
            for field, least, most in numbers:
                if not least <= getattr(item, field) <= most:
                    raise _range_error(f"{label}.{field}", getattr(item, field), least, most)
            for field, each in others:
                each(getattr(item, field))

    return check
