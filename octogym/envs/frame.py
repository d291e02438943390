"""What one step left, kept for as long as somebody holds an observation's info."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octogym.envs import kernels as k

#: Names of what an info shows of the whole cluster in one window (leaf results).
RESULTS = ("generated", "on_time", "late", "dropped", "missed", "lost", "in_flight", "overdue")


def _timeout_s(value: int) -> float:
    return value / 1e9 if value >= 0 else -1.0


def _seconds(value: int) -> float:
    return value / 1e9


#: Info key -> (column of `counts`, what a user sees). Times in seconds.
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

    `observation` float32 [E, S, ...], `reward` float32 [E, S], `rates` float64 [E, S, 2], `counts` int64 [E, S,
    COUNTS], `sums` int64 [E, SUMS] (columns: `kernels`), `truncated` bool [E]; `figures`: of the episodes that ended,
    by environment.
    """

    __slots__ = ("constants", "counts", "figures", "names_", "observation", "rates", "reward", "sums", "truncated")

    def __init__(self, constants: Constants, names: Mapping[str, None], shape: tuple[int, int]) -> None:
        E, S = shape
        self.constants, self.names_ = constants, names
        self.observation = np.empty((E, S, k.OBSERVATION), np.float32)
        self.reward = np.empty((E, S), np.float32)
        self.rates = np.empty((E, S, 2))
        self.counts = np.empty((E, S, k.COUNTS), np.int64)
        self.sums = np.empty((E, k.SUMS), np.int64)
        self.truncated: np.ndarray | None = None
        self.figures: dict[int, dict[str, float]] | None = None

    def copy(self) -> Frame:
        """A frame with arrays of its own, without the episodes' ends."""
        other = Frame(self.constants, self.names_, self.reward.shape)
        for name in ("observation", "reward", "rates", "counts", "sums"):
            setattr(other, name, getattr(self, name).copy())
        return other

    # --- as the source of an agent's info: row = e * S + s -----------------------------------------------------------
    def names(self, row: int) -> Mapping[str, None]:
        if self.figures is not None and row // self.reward.shape[1] in self.figures:
            return {**self.names_, "figures": None}
        return self.names_

    def value(self, key: str, row: int) -> Any:
        e, s = divmod(row, self.reward.shape[1])
        if key in COLUMNS:
            column, show = COLUMNS[key]
            return show(self.counts.item(e, s, column))
        fixed = self.constants.fixed
        if key == "t_s":
            return self.sums.item(e, k.T_NS) / 1e9
        if key == "window_s":
            return self.sums.item(e, k.WINDOW_NS) / 1e9
        if key == "rate":
            return self.rates.item(e, s, 0)
        if key == "net_rate":
            return self.rates.item(e, s, 1)
        if key == "queues":
            return tuple(self.counts[e, s, k.QUEUES : k.QUEUES + 5].tolist())
        if key == "slo_s":
            return fixed.item(s, k.SLO_NS) / 1e9
        if key == "budget_s":
            return fixed.item(s, k.BUDGET_NS) / 1e9
        if key == "results":
            return dict(zip(RESULTS, self.sums[e, k.GENERATED :].tolist(), strict=True))
        if key == "action_mask":
            assert self.constants.masks is not None
            return tuple(mask.copy() for mask in self.constants.masks[s])
        assert key == "figures" and self.figures is not None
        return dict(self.figures[e])
