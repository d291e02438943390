"""What one step left, kept for as long as somebody holds an observation's info."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octogym.envs import kernels as k
from octogym.envs.lazy import LazyDict

#: Names of what an info shows of the whole cluster in one window (leaf results).
RESULTS = ("generated", "on_time", "late", "dropped", "missed", "lost", "in_flight", "overdue")


def _timeout_s(value: float) -> float:
    return value / 1e9 if value >= 0 else -1.0


def _seconds(value: float) -> float:
    return value / 1e9


#: Info key -> (column of the values, what a user sees). Times in seconds.
COLUMNS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "present": (k.PRESENT, bool),
    "mask": (k.PRESENT, int),
    "fresh": (k.VALID, bool),
    "age_s": (k.AGE_NS, _seconds),
    "active": (k.ACTIVE, bool),
    "pack": (k.PACK, int),
    "batch": (k.BATCH, int),
    "pre": (k.PRE, int),
    "post": (k.POST, int),
    "timeout_s": (k.TIMEOUT_NS, _timeout_s),
    "set_by": (k.SET_BY, int),
    "rate": (k.RATE, float),
    "net_rate": (k.NET_RATE, float),
    "latency_s": (k.LATENCY_NS, _seconds),
    "arrived": (k.ARRIVED, int),
    "executed": (k.EXECUTED, int),
    "completed": (k.COMPLETED, int),
    "on_time": (k.ON_TIME, int),
    "dropped_full": (k.DROPPED_FULL, int),
    "dropped_late": (k.DROPPED_LATE, int),
    "dropped_out": (k.DROPPED_OUT, int),
    "failed": (k.FAILED, int),
    "lost": (k.LOST, int),
    "in_stage": (k.IN_STAGE, int),
}
#: Keys that every info has; `action_mask` and `figures` come and go.
KEYS = (
    "t_s",
    "window_s",
    *("present", "mask", "fresh", "age_s"),
    *("active", "pack", "batch", "pre", "post", "timeout_s", "set_by"),
    *("rate", "net_rate", "latency_s", "queues"),
    *("arrived", "executed", "completed", "on_time", "dropped_full", "dropped_late", "dropped_out", "failed", "lost"),
    *("in_stage", "slo_s", "budget_s", "results"),
)


@dataclass(frozen=True)
class Constants:
    """What infos show of the cluster itself: `fixed` int64 [S, FIXED], and per instance the masks of a shared action
    space (None where each agent has its own)."""

    fixed: np.ndarray
    masks: tuple[tuple[np.ndarray, ...], ...] | None

    @property
    def keys(self) -> tuple[str, ...]:
        return KEYS if self.masks is None else (*KEYS, "action_mask")


class Frame:
    """The step's results: arrays of its own that no later step touches, so that infos may read them at any time.

    `observation` float32 [E, S, ...], `reward` float32 [E, S], `values` float64 [E, S + 1, VALUES] (columns: `kernels`;
    the last row is the cluster's), `truncated` bool [E] if an episode ended; `figures`: of those, by environment.
    """

    __slots__ = ("constants", "figures", "keys", "observation", "reward", "truncated", "values")

    def __init__(self, constants: Constants, keys: Mapping[str, None], E: int, S: int) -> None:
        self.constants, self.keys = constants, keys
        self.observation = np.empty((E, S, k.OBSERVATION), np.float32)
        self.reward = np.empty((E, S), np.float32)
        self.values = np.empty((E, S + 1, k.VALUES))
        self.truncated: np.ndarray | None = None
        self.figures: dict[int, dict[str, float]] | None = None

    def copy(self) -> Frame:
        """A frame with arrays of its own, without the episodes' ends."""
        other = Frame(self.constants, self.keys, *self.reward.shape)
        other.observation, other.reward, other.values = self.observation.copy(), self.reward.copy(), self.values.copy()
        return other

    def column(self, column: int) -> np.ndarray:
        """float64 [E, S]: one column of the instances' values."""
        return self.values[:, :-1, column]

    # --- as the source of an agent's info: row = e * S + s -----------------------------------------------------------
    def names(self, row: int) -> Mapping[str, None]:
        if self.figures is not None and row // self.reward.shape[1] in self.figures:
            return {**self.keys, "figures": None}
        return self.keys

    def first(self, row: int) -> tuple[str, Any]:
        return "t_s", self.values.item(row // self.reward.shape[1], -1, k.T_NS) / 1e9

    def value(self, key: str, row: int) -> Any:
        e, s = divmod(row, self.reward.shape[1])
        if key in COLUMNS:
            column, show = COLUMNS[key]
            return show(self.values.item(e, s, column))
        fixed = self.constants.fixed
        if key == "t_s":
            return self.first(row)[1]
        if key == "window_s":
            return self.values.item(e, -1, k.WINDOW_NS) / 1e9
        if key == "queues":
            return tuple(map(int, self.values[e, s, k.QUEUES : k.QUEUES + 5].tolist()))
        if key == "slo_s":
            return fixed.item(s, k.SLO_NS) / 1e9
        if key == "budget_s":
            return fixed.item(s, k.BUDGET_NS) / 1e9
        if key == "results":
            counts = self.values[e, -1, k.GENERATED : k.SUMS].tolist()
            return {name: int(count) for name, count in zip(RESULTS, counts, strict=True)}
        if key == "action_mask":
            assert self.constants.masks is not None
            return tuple(mask.copy() for mask in self.constants.masks[s])
        assert key == "figures" and self.figures is not None
        return dict(self.figures[e])


class Infos:
    """Source of what the parallel API returns: agent -> info, of environment 0."""

    def __init__(self, frame: Frame, rows: Mapping[str, int], first: str) -> None:
        self._frame, self._rows, self._first = frame, rows, first

    def first(self, row: int) -> tuple[str, LazyDict]:
        return self._first, LazyDict.of(self._frame, 0)

    def names(self, row: int) -> Mapping[str, int]:
        return self._rows

    def value(self, key: str, row: int) -> LazyDict:
        return LazyDict.of(self._frame, self._rows[key])
