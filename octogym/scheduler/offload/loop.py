"""The scheduling loop of one cluster as a state machine: no clock, no network, no model of its own.

Whoever drives it says what time it is and what was seen (`look`), decides when that is due, and hands the decision in
(`commit`); `shares` is what holds now. The same object serves the simulator, where time is the cluster's, and a rack.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.devices import Change, Devices, Patience
from octogym.scheduler.offload.trigger import Reason, Rhythm, Trigger, limits_passed

#: A decision holds for two periods, so that one that is lost leaves no gap.
VALIDITY_PERIODS = 2
_SLACK = 1e-6


@dataclass(frozen=True)
class Sighting:
    """What was seen of M devices at `now_s`, seconds of whatever clock the loop runs on.

    Attributes:
        present: bool [M]; False: known to be absent.
        age_s: [M], since the last metric.
        load: [M], what was worked on, in the unit of the loop's capacities.
        queue: [M], requests that wait.
        slo_share: [M], latency of results as a part of the SLO, or None.
    """

    now_s: float
    present: np.ndarray
    age_s: np.ndarray
    load: np.ndarray
    queue: np.ndarray
    slo_share: np.ndarray | None = None


@dataclass(frozen=True)
class Step:
    """What a sighting led to. `reason`: why a decision is due now, None if none is."""

    reason: Reason | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Table:
    """A decision: all shares of all nodes, so that applying it twice, or after one was lost, is the same.

    `matrix` float64 [M, M]; it holds from `issued_s` until `until_s`. Later tables have larger versions.
    """

    version: int
    matrix: np.ndarray
    issued_s: float
    until_s: float


@dataclass(frozen=True)
class LoopSettings:
    """`patience` with devices, `rhythm` of decisions."""

    patience: Patience = field(default_factory=Patience)
    rhythm: Rhythm = field(default_factory=Rhythm)

    @property
    def validity_s(self) -> float:
        """Seconds that a decision holds."""
        return VALIDITY_PERIODS * self.rhythm.period_s


class SchedulingLoop:
    """Algorithm 1 of OctoCross for one cluster of M nodes.

    Args:
        names: [M] device ids.
        capacity: [M], what the nodes sustain, in the unit of `Sighting.load`; more of it is an overload.
        settings: None: the published times.
        known: devices that the model was trained on; None: all.
    """

    def __init__(
        self,
        names: Sequence[str],
        capacity: np.ndarray,
        settings: LoopSettings | None = None,
        known: Collection[str] | None = None,
    ) -> None:
        self.settings = settings or LoopSettings()
        self._capacity = np.asarray(capacity, np.float64)
        self.devices = Devices(names, known, self.settings.patience)
        self._trigger = Trigger(len(names), self.settings.rhythm)
        self.table: Table | None = None
        self._now_s = -np.inf

    @property
    def valid(self) -> np.ndarray:
        """bool [M]: nodes that take part."""
        return self.devices.valid

    def look(self, seen: Sighting) -> Step:
        """Take what was seen. A device that is gone takes part no longer from now on, in the table that holds too.

        Raises:
            SchedulerError: time that runs backwards.
        """
        if seen.now_s < self._now_s:
            raise SchedulerError(f"now_s = {seen.now_s}: expected {self._now_s} or later; time does not run backwards")
        self._now_s = seen.now_s
        changes = self.devices.update(seen.now_s, seen.present, seen.age_s)
        over = limits_passed(self.settings.rhythm, self.valid, seen.load, self._capacity, seen.queue, seen.slo_share)
        return Step(self._trigger.due(seen.now_s, over), tuple(changes))

    def commit(self, matrix: np.ndarray) -> Table:
        """The decision that `look` asked for, as of the time of the last sighting.

        Raises:
            SchedulerError: a matrix that is no table of shares.
        """
        matrix = np.array(matrix, np.float64)
        nodes = len(self._capacity)
        if matrix.shape != (nodes, nodes):
            raise SchedulerError(f"shares of shape {matrix.shape}: expected {(nodes, nodes)}")
        if not np.isfinite(matrix).all() or (matrix < -_SLACK).any() or (abs(matrix.sum(1) - 1) > _SLACK).any():
            raise SchedulerError("shares: expected finite numbers from 0, rows that sum to 1")
        version = 1 if self.table is None else self.table.version + 1
        self.table = Table(version, np.maximum(matrix, 0.0), self._now_s, self._now_s + self.settings.validity_s)
        return self.table

    def shares(self, now_s: float, reach: np.ndarray | None = None) -> np.ndarray:
        """float64 [M, M], what holds at `now_s`: the table less what goes to nodes that are gone, which stays at home;
        everything stays at home before the first decision and after the last one's validity.

        Args:
            reach: bool [M, M], pairs that have a way; None: all.
        """
        nodes = len(self._capacity)
        if self.table is None or now_s >= self.table.until_s:
            return np.eye(nodes)
        valid = self.valid
        usable = valid[:, None] & valid[None, :]
        if reach is not None:
            usable &= reach
        matrix = np.where(usable, self.table.matrix, 0.0)
        at = np.arange(nodes)
        matrix[at, at] = 0.0
        matrix[at, at] = 1.0 - matrix.sum(1)
        return matrix
