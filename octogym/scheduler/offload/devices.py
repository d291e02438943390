"""Which devices are there: new, active, missing or removed (OctoCross, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from octogym.scheduler.errors import SchedulerError


class State(IntEnum):
    """Of a device. `AWAY`: never seen yet."""

    AWAY = 0
    NEW = 1
    ACTIVE = 2
    MISSING = 3
    REMOVED = 4


@dataclass(frozen=True)
class Patience:
    """How long is waited, seconds.

    Attributes:
        missing_s: without a metric before a device counts as missing; one that is known to be absent does at once.
        grace_s: before a missing device is given up (the published 150 s).
        collection_s: a device is watched before the model is trained on it (the published 48 h, which the paper skips
            in its campus test). It takes part meanwhile.
    """

    missing_s: float = 5.0
    grace_s: float = 150.0
    collection_s: float = 48 * 3600.0

    def __post_init__(self) -> None:
        for name in ("missing_s", "grace_s", "collection_s"):
            if not getattr(self, name) >= 0:
                raise SchedulerError(f"{name} = {getattr(self, name)}: expected seconds, 0 or more")


@dataclass(frozen=True)
class Change:
    """A device's state changed at `t_s`."""

    node: int
    name: str
    before: State
    after: State
    t_s: float


class Devices:
    """States of M devices, from what is heard of them.

    AWAY -> ACTIVE if the model knows the device, else -> NEW, which becomes ACTIVE once it was there for
    `Patience.collection_s`. NEW or ACTIVE -> MISSING -> what it was, or REMOVED after `Patience.grace_s`. A removed
    device that comes back is NEW. Numbers of devices are given by name (`octocross.ids`), so none is used twice.

    Args:
        names: [M] device ids.
        known: devices that the model was trained on; None: all.
    """

    def __init__(
        self, names: Sequence[str], known: Collection[str] | None = None, patience: Patience | None = None
    ) -> None:
        self.names, self.patience = tuple(names), patience or Patience()
        self._known = np.array([known is None or name in known for name in names], bool)
        self.state = np.full(len(names), State.AWAY, np.int8)
        self._was = self.state.copy()
        self._since_s = np.zeros(len(names))
        self._collected_s = np.zeros(len(names))
        self._last_s: float | None = None

    @property
    def valid(self) -> np.ndarray:
        """bool [M]: devices that take part in decisions, new ones included."""
        return (self.state == State.NEW) | (self.state == State.ACTIVE)

    def update(self, now_s: float, present: np.ndarray, age_s: np.ndarray) -> list[Change]:
        """What is heard at `now_s`; what it changes.

        Args:
            present: bool [M], False: known to be absent.
            age_s: [M] since a device's last metric.
        """
        before = self.state.copy()
        there = np.asarray(present, bool) & (np.asarray(age_s) <= self.patience.missing_s)
        passed = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        self._collected_s[there & (before == State.NEW)] += passed

        appears = there & ((before == State.AWAY) | (before == State.REMOVED))
        ready = self._known & (before == State.AWAY)
        self._set(appears & ready, State.ACTIVE)
        self._set(appears & ~ready, State.NEW)
        self._collected_s[appears] = 0.0
        enough = (self.state == State.NEW) & (self._collected_s >= self.patience.collection_s)
        self._set(enough & there, State.ACTIVE)

        lost = ~there & self.valid
        self._was[lost] = self.state[lost]
        self._since_s[lost] = now_s
        self._set(lost, State.MISSING)
        missing = before == State.MISSING
        back = there & missing
        self.state[back] = self._was[back]
        self._set(missing & ~there & (now_s - self._since_s >= self.patience.grace_s), State.REMOVED)

        return [
            Change(m, self.names[m], State(before[m]), State(self.state[m]), now_s)
            for m in np.flatnonzero(before != self.state).tolist()
        ]

    def _set(self, where: np.ndarray, state: State) -> None:
        self.state[where] = state
