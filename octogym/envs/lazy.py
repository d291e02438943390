"""A dict that computes its values when they are asked for.

An environment returns an info per agent and step, and most are never read. A `LazyDict` holds a reference to the
step's own arrays and a row number; to its user it is a dict: it compares, copies and pickles as one (a copy is a
plain dict). One value is there from the start, because `json` asks the C structure whether a dict is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol


class Source(Protocol):
    """Where a `LazyDict` gets its content; must not change while somebody holds it."""

    def names(self, row: int) -> Mapping[str, Any]:
        """A mapping whose keys are those of `row`, in order."""

    def value(self, key: str, row: int) -> Any:
        """A new object for `key` of `row`."""

    def start(self, row: int) -> tuple[str, Any]:
        """One of the keys and its value."""


class LazyDict(dict[str, Any]):
    """The content of `row` of `source`, and whatever else was set."""

    __slots__ = ("row", "source")
    source: Source | None
    row: int

    @classmethod
    def of(cls, source: Source, row: int = 0) -> LazyDict:
        self = cls()
        self.source, self.row = source, row
        key, value = source.start(row)
        self[key] = value
        return self

    @classmethod
    def of_rows(cls, source: Source, rows: Iterable[int], starts: Iterable[dict[str, Any]]) -> list[LazyDict]:
        """One for each of `rows`, which begins with the content of its own of `starts`; faster than `of` for each."""
        made = [*map(cls, starts)]
        for self, row in zip(made, rows):  # noqa: B905 (here it is a tenth of the time)
            self.source, self.row = source, row
        return made

    def __getattr__(self, name: str) -> Any:
        # Libraries that map over trees build a dict of the same type from pairs: then there is no source.
        if name == "source":
            return None
        raise AttributeError(name)

    def _fill(self) -> LazyDict:
        source = self.source
        if source is not None:
            self.source = None
            own = dict.copy(self)
            dict.clear(self)
            for key in source.names(self.row):
                dict.__setitem__(self, key, own.pop(key) if key in own else source.value(key, self.row))
            dict.update(self, own)
        return self

    def __missing__(self, key: str) -> Any:
        source = self.source
        if source is None or key not in source.names(self.row):
            raise KeyError(key)
        value = source.value(key, self.row)
        dict.__setitem__(self, key, value)
        return value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or (self.source is not None and key in self.source.names(self.row))

    def get(self, key: str, default: Any = None) -> Any:
        # Learners ask every info of every step for keys that are not there: that must not fill it.
        return self[key] if key in self else default  # noqa: SIM401

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self._fill())

    def __reversed__(self) -> Iterator[str]:
        return dict.__reversed__(self._fill())

    def __len__(self) -> int:
        return dict.__len__(self._fill())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyDict):
            other._fill()
        return dict.__eq__(self._fill(), other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        return dict.__repr__(self._fill())

    def __delitem__(self, key: str) -> None:
        dict.__delitem__(self._fill(), key)

    def __or__(self, other: Any) -> Any:
        return {**self} | other

    def __ror__(self, other: Any) -> Any:
        return other | {**self}

    def keys(self) -> Any:
        return dict.keys(self._fill())

    def values(self) -> Any:
        return dict.values(self._fill())

    def items(self) -> Any:
        return dict.items(self._fill())

    def pop(self, *args: Any) -> Any:
        return dict.pop(self._fill(), *args)

    def popitem(self) -> tuple[str, Any]:
        return dict.popitem(self._fill())

    def clear(self) -> None:
        self.source = None
        dict.clear(self)

    def setdefault(self, key: str, default: Any = None) -> Any:
        return dict.setdefault(self._fill(), key, default)

    def copy(self) -> dict[str, Any]:
        return {**self}

    __copy__ = copy

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, ({**self},)
