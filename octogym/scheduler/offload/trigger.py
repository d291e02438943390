"""When a decision is due: every 15 s, or at once when a node becomes overloaded (OctoCross, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from octogym.scheduler.errors import SchedulerError


class Reason(Enum):
    """Why a decision is due."""

    START = "start"
    PERIOD = "period"
    OVERLOAD = "overload"


@dataclass(frozen=True)
class Rhythm:
    """When to decide.

    Attributes:
        warm_up_s: before the first decision.
        period_s: between decisions (the published 15 s).
        cool_down_s: after a decision in which no overload counts.
        queue: requests; a node with more of them waiting is overloaded.
        late_share: part of the SLO; a node whose results take longer (95 % of a second's) is overloaded. None: not
            looked at.
    """

    warm_up_s: float = 1.0
    period_s: float = 15.0
    cool_down_s: float = 3.0
    queue: float = 50.0
    late_share: float | None = None

    def __post_init__(self) -> None:
        for name in ("warm_up_s", "cool_down_s", "queue"):
            if not getattr(self, name) >= 0:
                raise SchedulerError(f"{name} = {getattr(self, name)}: expected 0 or more")
        if not self.period_s > 0:
            raise SchedulerError(f"period_s = {self.period_s}: expected more than 0")
        if self.late_share is not None and not self.late_share > 0:
            raise SchedulerError(f"late_share = {self.late_share}: expected None or more than 0")


class Trigger:
    """Says when a decision is due.

    An overload counts if it is new: the node was within its limits at the last decision. One that stays overloaded does
    not cause decision after decision, and none does within `Rhythm.cool_down_s` of the last decision. Every decision
    begins the period anew.
    """

    def __init__(self, nodes: int, rhythm: Rhythm | None = None) -> None:
        self.rhythm = rhythm or Rhythm()
        self._before = np.zeros((3, nodes), bool)
        self._last_s: float | None = None

    def due(self, now_s: float, over: np.ndarray) -> Reason | None:
        """Whether a decision is due; it then counts as taken. `over` bool [3, M]: load, queue, latency above its
        limit (`limits_passed`)."""
        reason = self._reason(now_s, over)
        if reason is not None:
            self._last_s, self._before = now_s, over.copy()
        return reason

    def _reason(self, now_s: float, over: np.ndarray) -> Reason | None:
        rhythm = self.rhythm
        if self._last_s is None:
            return Reason.START if now_s >= rhythm.warm_up_s else None
        passed = now_s - self._last_s
        if passed >= rhythm.period_s:
            return Reason.PERIOD
        if passed >= rhythm.cool_down_s and (over & ~self._before).any():
            return Reason.OVERLOAD
        return None


def limits_passed(
    rhythm: Rhythm,
    valid: np.ndarray,
    load: np.ndarray,
    capacity: np.ndarray,
    queue: np.ndarray,
    slo_share: np.ndarray | None = None,
) -> np.ndarray:
    """bool [3, M]: load above capacity, queue above its limit, latency above its part of the SLO.

    Args:
        valid: bool [M]; others are never overloaded.
        load, capacity: [M] in one unit.
        queue: [M] requests.
        slo_share: [M] latency as a part of the SLO, where `Rhythm.late_share` asks for it.
    """
    late = np.zeros(len(valid), bool)
    if rhythm.late_share is not None and slo_share is not None:
        late = slo_share > rhythm.late_share
    return np.stack([load > capacity, queue > rhythm.queue, late]) & valid
