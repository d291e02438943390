"""What one step left, kept for as long as somebody holds an observation's info."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy import empty

from octogym.envs import columns as k
from octogym.envs.agent_facts import FACTS, derived
from octogym.envs.lazy import LazyDict


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
#: The same of the cluster's row: `results_*` are leaf results of all pipelines in the window.
CLUSTER: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "t_s": (k.T_NS, _seconds),
    "window_s": (k.WINDOW_NS, _seconds),
    "results_generated": (k.GENERATED, int),
    "results_on_time": (k.RESULTS_ON_TIME, int),
    "results_late": (k.RESULTS_LATE, int),
    "results_dropped": (k.RESULTS_DROPPED, int),
    "results_missed": (k.RESULTS_MISSED, int),
    "results_lost": (k.RESULTS_LOST, int),
    "results_in_flight": (k.IN_FLIGHT, int),
    "results_overdue": (k.OVERDUE, int),
}
#: Keys that every info has; `action_mask` and `figures` come and go.
KEYS = (
    "t_s",
    "window_s",
    *("present", "mask", "fresh", "age_s"),
    *FACTS,
    *("active", "pack", "batch", "pre", "post", "timeout_s", "set_by"),
    *("rate", "net_rate", "latency_s", "queues"),
    *("arrived", "executed", "completed", "on_time", "dropped_full", "dropped_late", "dropped_out", "failed", "lost"),
    *("in_stage", "slo_s", "budget_s"),
    *[key for key in CLUSTER if key.startswith("results_")],
)


#: The row that stands for all agents.
ALL = -1
_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class Constants:
    """What infos show of the cluster itself: `fixed` int64 [S, FIXED], length of a window, agents' names and indices,
    and per instance the masks of a shared action space (None where each agent has its own)."""

    fixed: np.ndarray
    period_ns: int
    agents: Mapping[str, int]
    masks: tuple[tuple[np.ndarray, ...], ...] | None

    @cached_property
    def first(self) -> str:
        """Name of the first agent."""
        return next(iter(self.agents))

    @property
    def keys(self) -> tuple[str, ...]:
        return KEYS if self.masks is None else (*KEYS, "action_mask")


class Frame:
    """The step's results: arrays that no later step touches while anybody holds them, or a part of them, or an info
    (`handed`).

    `eight` float32 [E, S, 8], FCPO's observations; `observation`, these or the user's own; `reward` float32 [E, S];
    `values` float64 [E, S + 1, VALUES] (columns: `columns`; the last row is the cluster's); `truncated` bool [E] if an
    episode ended; `figures`: of those, by environment; `told`: what the backend says of agents (`agent_facts`).
    """

    truncated: np.ndarray | None = None
    figures: dict[int, dict[str, float]] | None = None
    told: Mapping[str, np.ndarray] | None = None
    _facts: Mapping[str, np.ndarray] | None = None

    def __init__(self, constants: Constants, keys: Mapping[str, None], E: int, S: int) -> None:
        self.constants, self.keys = constants, keys
        self.eight = self.observation = empty((E, S, k.OBSERVATION), _FLOAT32)
        self.reward = empty((E, S), _FLOAT32)
        self.values = empty((E, S + 1, k.VALUES))

    def again(self) -> Frame:
        """The same for another step."""
        self.truncated = self.figures = self.told = self._facts = None
        return self

    def copy(self) -> Frame:
        """A frame with arrays of its own, without the episodes' ends."""
        other = Frame(self.constants, self.keys, *self.reward.shape)
        other.eight[:], other.reward[:], other.values[:] = self.eight, self.reward, self.values
        return other

    def column(self, column: int) -> np.ndarray:
        """float64 [E, S]: one column of the instances' values."""
        return self.values[:, :-1, column]

    def facts(self, key: str) -> np.ndarray:
        """[E, S]: one of `agent_facts.FACTS`."""
        if self._facts is None:
            present, valid, age_ns, set_by = map(self.column, (k.PRESENT, k.VALID, k.AGE_NS, k.SET_BY))
            t_ns, period_ns = self.values[:, -1:, k.T_NS], self.constants.period_ns
            self._facts = self.told or derived(present, valid, age_ns, set_by, t_ns, period_ns)
        return self._facts[key]

    def infos(self) -> LazyDict:
        """Agent -> info, of environment 0."""
        infos, first = LazyDict(), LazyDict((self.start(0),))
        infos.source = first.source = self
        infos.row, first.row = ALL, 0
        infos[self.constants.first] = first
        return infos

    # --- as the source of an agent's info (row = e * S + s), or of all (row = ALL) -----------------------------------
    def names(self, row: int) -> Mapping[str, Any]:
        if row == ALL:
            return self.constants.agents
        if self.figures is not None and row // self.reward.shape[1] in self.figures:
            return {**self.keys, "figures": None}
        return self.keys

    def start(self, row: int) -> tuple[str, Any]:
        return "slo_s", self.constants.fixed.item(row % self.reward.shape[1], k.SLO_NS) / 1e9

    def starts(self) -> list[dict[str, Any]]:
        """`start`, as a dict, of each instance."""
        return [dict((self.start(s),)) for s in range(self.reward.shape[1])]

    def times(self) -> list[float]:
        """`t_s` of each environment."""
        return [t_ns / 1e9 for t_ns in self.values[:, -1, k.T_NS].tolist()]

    def value(self, key: str, row: int) -> Any:
        if row == ALL:
            return LazyDict.of(self, self.constants.agents[key])
        e, s = divmod(row, self.reward.shape[1])
        if key in COLUMNS:
            column, show = COLUMNS[key]
            return show(self.values.item(e, s, column))
        if key in FACTS:
            return FACTS[key](self.facts(key)[e, s])
        if key == "window_s" and self.told is not None:
            return float(self.told[key][e, s])
        fixed = self.constants.fixed
        if key in CLUSTER:
            column, show = CLUSTER[key]
            return show(self.values.item(e, -1, column))
        if key == "queues":
            return tuple(map(int, self.values[e, s, k.QUEUES : k.QUEUES + 5].tolist()))
        if key == "slo_s":
            return fixed.item(s, k.SLO_NS) / 1e9
        if key == "budget_s":
            return fixed.item(s, k.BUDGET_NS) / 1e9
        if key == "action_mask":
            assert self.constants.masks is not None
            return tuple(mask.copy() for mask in self.constants.masks[s])
        assert key == "figures" and self.figures is not None
        return dict(self.figures[e])
