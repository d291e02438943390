"""Stable numbers for devices: which row of the positional table is whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octogym.scheduler.errors import SchedulerError

#: Rows that every table has: of devices never seen in training, and of servers.
UNKNOWN, SERVER = 0, 1
FIRST_DEVICE = 2
#: Part of the rows that training replaces by the unknown row, so that it learns what an unseen device needs.
UNKNOWN_SHARE = 0.1


class DeviceIds:
    """Numbers of devices by name, given once and never again while a checkpoint lives.

    Args:
        rows: rows of the model's positional table (`OctoCrossConfig.positions`). Devices beyond it are `UNKNOWN`.
        known: numbers given before, as `known` of another registry.

    Raises:
        SchedulerError: no room for a device, or numbers that are reserved, too large or given twice.
    """

    def __init__(self, rows: int, known: Mapping[str, int] | None = None) -> None:
        if rows <= FIRST_DEVICE:
            raise SchedulerError(f"rows = {rows}: expected more than {FIRST_DEVICE}, the reserved ones")
        self.rows = rows
        self._ids = dict(known or {})
        for name, number in self._ids.items():
            if not FIRST_DEVICE <= number < rows:
                raise SchedulerError(f"known[{name!r}] = {number}: expected {FIRST_DEVICE} to {rows - 1}")
        if len(set(self._ids.values())) < len(self._ids):
            raise SchedulerError("known: a number is given twice")

    @property
    def known(self) -> dict[str, int]:
        """Numbers by name, to keep beside the checkpoint."""
        return dict(self._ids)

    def add(self, names: Sequence[str]) -> list[str]:
        """Gives the new ones among ``names`` their numbers, as far as the table goes; returns those that got one."""
        added = []
        for name in names:
            number = max(self._ids.values(), default=FIRST_DEVICE - 1) + 1
            if name not in self._ids and number < self.rows:
                self._ids[name] = number
                added.append(name)
        return added

    def of(self, names: Sequence[str]) -> np.ndarray:
        """int64 [len(names)]; `UNKNOWN` for devices without a number."""
        return np.array([self._ids.get(name, UNKNOWN) for name in names], dtype=np.int64)


def some_unknown(ids: np.ndarray, rng: np.random.Generator, share: float = UNKNOWN_SHARE) -> np.ndarray:
    """A copy of ``ids`` with each device's number replaced by `UNKNOWN` with probability ``share``; servers stay."""
    hidden = (rng.random(ids.shape) < share) & (ids >= FIRST_DEVICE)
    return np.where(hidden, UNKNOWN, ids)
