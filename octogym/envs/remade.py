"""Copies and pickles of an environment."""

from __future__ import annotations

from typing import Any


class Remade:
    """Copies and pickles as a new environment made from the same arguments, not reset: what Gymnasium's EzPickle does,
    without naming the arguments twice. A running environment cannot be copied: compiled code holds its addresses."""

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        self._arguments = args, kwargs
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), *self._arguments)


def _remake(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return cls(*args, **kwargs)
