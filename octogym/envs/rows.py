"""Which row of a batch is which agent of which environment: what the vector environment and the adapters share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.backend import Policy
from octogym.envs import columns as k
from octogym.envs.agent_facts import FACTS
from octogym.envs.core import BatchingCore
from octogym.envs.figures import stacked_figures
from octogym.envs.frame import CLUSTER, COLUMNS, Frame
from octogym.envs.handed import Handed
from octogym.envs.lazy import LazyDict
from octogym.envs.others import Others
from octogym.envs.spaces import HEADS, stacked

#: "envs": one row per environment, whose learning agent is one instance. "agents": row e * S + s is instance s of
#: environment e, all with one action space. "central": one row per environment, all instances' actions in one.
LAYOUTS = ("envs", "agents", "central")
_INT64 = np.dtype(np.int64)
# Infos that are not whole numbers of something.
_KINDS: dict[str, type] = {"present": np.bool_, "fresh": np.bool_, "active": np.bool_, "rate": float, "net_rate": float}


class Rows:
    """The rows of `core` in one of `LAYOUTS`.

    `count` rows, `each` per environment; `environment` int64 [count]: which one each belongs to. Spaces are those of
    one row. `together`: one info has all rows', as arrays.
    """

    def __init__(
        self,
        core: BatchingCore,
        layout: str,
        agent: str | None = None,
        others: str | Policy | None = None,
        together: bool = False,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"rows = {layout!r}; allowed: {', '.join(map(repr, LAYOUTS))}")
        if layout == "agents" and not core.homogeneous:
            raise ValueError('rows = "agents" needs homogeneous=True: all rows have one action space')
        if layout != "envs" and agent is not None:
            raise ValueError(f'agent = {agent!r} goes with rows="envs"; rows={layout!r} has all agents')
        self.core, self.layout, self.together = core, layout, together
        E, S = core.E, core.S
        self.agent = index_of(core, agent)
        self.each = S if layout == "agents" else 1
        self.count, self.environment = E * self.each, np.repeat(np.arange(E), self.each)
        self.columns = np.array([self.agent]) if layout == "envs" else np.arange(S)
        self.others = Others(core, others, self.agent) if layout == "envs" else None
        one = core.observation_space()
        self.observation_space: spaces.Box = one
        self.action_space = core.action_space(self.agent)
        if layout == "central":
            self.observation_space = stacked(one, S)
            self.action_space = spaces.MultiDiscrete(core.accepted.ravel())
        self._shape = (self.count, *self.action_space.shape)
        self._wide = (self.count, *self.observation_space.shape)
        names = {name: None for key in core.constants.keys for name in (key, "_" + key)}
        #: Keys of a vector environment's infos, without and with an episode's end.
        self.names, self.last_names = names, {**names, "figures": None, "_figures": None}

    def act(self, actions: np.ndarray) -> None:
        """Decide what integer `actions` [count, n] ask for.

        Raises:
            ValueError: shape, type or an index that is not allowed, naming the agent.
        """
        actions = np.asarray(actions)
        if actions.shape != self._shape or actions.dtype.kind not in "iu":
            raise ValueError(
                f"actions: {actions.dtype} of shape {actions.shape}; allowed: integers of shape {self._shape} "
                f"({', '.join(HEADS)})"
            )
        columns = None
        if self.others is not None:
            self.others.decide()
            columns = self.columns
        elif actions.dtype is _INT64 and actions.flags.c_contiguous:
            self.core.decide_flat(actions)
            return
        self.core.decide(actions.reshape(self.core.E, len(self.columns), 3), columns)

    def observation(self, frame: Frame) -> np.ndarray:
        """[count, ...]; an array of this frame."""
        if self.layout == "agents":
            return self._views(frame)[0]
        x = frame.observation
        return np.ascontiguousarray(x[:, self.agent]) if self.layout == "envs" else x.reshape(self._wide)

    def reward(self, frame: Frame) -> np.ndarray:
        """float32 [count]; of "central" the mean over the instances whose devices are there."""
        if self.layout == "agents":
            return self._views(frame)[1]
        if self.layout == "envs":
            return frame.reward[:, self.agent].copy()
        there = frame.column(k.PRESENT)
        return (frame.reward.sum(1, dtype=np.float64) / np.maximum(there.sum(1), 1)).astype(np.float32)

    def info(self, frame: Frame, row: int) -> LazyDict:
        """One row's info alone."""
        if self.layout == "central":
            return LazyDict.of(Central(self, frame), row)
        return LazyDict.of(frame, row if self.layout == "agents" else row * self.core.S + self.agent)

    def infos(self, frame: Frame) -> Sequence[LazyDict]:
        """Each row's info, in order, or all rows' in one."""
        if self.layout == "central" and not self.together:
            return LazyDict.of_rows(Central(self, frame), range(self.count), [{"t_s": t_s} for t_s in frame.times()])
        handed = self._handed(frame)
        return self._new_infos(frame) if handed is None else handed.infos

    def _views(self, frame: Frame) -> Sequence[np.ndarray]:
        """Of "agents": observations and rewards."""
        handed = self._handed(frame)
        return self._new_views(frame) if handed is None else handed.rows

    def _handed(self, frame: Frame) -> Handed | None:
        """What is handed out of the last step's frame and may serve again with it; None of another one."""
        handed = self.core.frames.last
        if handed is None or handed.frame is not frame:
            return None
        if not handed.infos:
            handed.give(self._new_views(frame) if self.layout == "agents" else (), self._new_infos(frame))
        return handed

    def _new_views(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        return frame.observation.reshape(self._wide), frame.reward.reshape(-1)

    def _new_infos(self, frame: Frame) -> list[LazyDict]:
        if self.together:
            return LazyDict.of_rows(Stacked(self, frame), (0,), ({},))
        E, S, starts = self.core.E, self.core.S, frame.starts()
        if self.layout == "agents":
            return LazyDict.of_rows(frame, range(E * S), starts * E)
        return LazyDict.of_rows(frame, range(self.agent, E * S, S), [starts[self.agent]] * E)

    def action_masks(self) -> np.ndarray:
        """int8 [count, sum of head sizes]: 1 where the row's instance has that index, head after head."""
        core, cells = self.core, []
        for s in self.columns:
            cells.append([i < own for own, n in zip(core.sizes[s], core.accepted[s], strict=True) for i in range(n)])
        if self.layout == "central":
            cells = [[x for cell in cells for x in cell]]
        return np.tile(np.array(cells, np.int8), (core.E, 1))

    # --- arrays of infos ---------------------------------------------------------------------------------------------
    def table(self, frame: Frame, key: str) -> np.ndarray:
        """What infos show under `key`, as one new array [count, ...] ("central": [count, S, ...])."""
        core, fixed = self.core, frame.constants.fixed
        if key in FACTS:
            return self._pick(frame.facts(key))
        if key == "window_s" and frame.told is not None and self.layout != "central":
            return self._pick(frame.told[key])
        if key in CLUSTER:
            per_env = frame.values[:, -1, CLUSTER[key][0]]
            per_env = per_env / 1e9 if key.endswith("_s") else per_env.astype(np.int64)
            return np.repeat(per_env, self.each)
        if key == "action_mask":
            return self.action_masks()
        if key in COLUMNS:
            x = frame.column(COLUMNS[key][0])
            if key == "timeout_s":
                return self._pick(np.where(x >= 0, x / 1e9, -1.0))
            if key.endswith("_s"):
                return self._pick(x / 1e9)
            return self._pick(x.astype(_KINDS.get(key, np.int64)))
        if key == "queues":
            return self._pick(frame.values[:, :-1, k.QUEUES : k.QUEUES + 5].astype(np.int64))
        seconds = fixed[:, k.SLO_NS if key == "slo_s" else k.BUDGET_NS] / 1e9
        return self._pick(np.broadcast_to(seconds, (core.E, core.S)))

    def _pick(self, x: np.ndarray) -> np.ndarray:
        """The rows' part of [E, S, ...], as a new array."""
        if self.layout == "envs":
            return x[:, self.agent].copy()
        return x.reshape(self.count, *x.shape[2:]).copy() if self.layout == "agents" else x.copy()


class Central:
    """Source of the infos of "central" rows: values per agent, [S, ...]."""

    def __init__(self, rows: Rows, frame: Frame) -> None:
        self._rows, self._frame = rows, frame

    def names(self, row: int) -> Mapping[str, Any]:
        return self._frame.names(row * self._rows.core.S)

    def start(self, row: int) -> tuple[str, Any]:
        return "t_s", self._frame.times()[row]

    def value(self, key: str, row: int) -> Any:
        if key in CLUSTER or key == "figures":
            return self._frame.value(key, row * self._rows.core.S)
        return self._rows.table(self._frame, key)[row].copy()


class Stacked:
    """Source of a vector environment's infos: key -> array [count, ...], `_key` -> bool [count], which rows have it.

    `about` bool [E]: the environments that this frame speaks of (all if None).
    """

    def __init__(self, rows: Rows, frame: Frame, about: np.ndarray | None = None) -> None:
        self._rows, self._frame, self._environments = rows, frame, about

    def names(self, row: int) -> Mapping[str, Any]:
        return self._rows.last_names if self._frame.figures else self._rows.names

    def start(self, row: int) -> tuple[str, Any]:
        return "t_s", self._rows.table(self._frame, "t_s")

    def value(self, key: str, row: int) -> Any:
        rows, frame = self._rows, self._frame
        if key == "_figures":
            return self._ended()
        if key.startswith("_"):
            return self._about()
        if key == "figures":
            return self._figures()
        return rows.table(frame, key)

    def _about(self) -> np.ndarray:
        if self._environments is None:
            return np.ones(self._rows.count, bool)
        return np.repeat(self._environments, self._rows.each)

    def _ended(self) -> np.ndarray:
        assert self._frame.truncated is not None
        return np.repeat(self._frame.truncated, self._rows.each)

    def _figures(self) -> dict[str, np.ndarray]:
        frame = self._frame
        assert frame.figures and frame.truncated is not None
        return stacked_figures(frame.figures, frame.truncated, self._rows.each)


def index_of(core: BatchingCore, agent: str | None) -> int:
    """Index of the named agent; the first for None.

    Raises:
        ValueError: no agent of that name.
    """
    if agent is None:
        return 0
    if agent not in core.cluster.index:
        raise ValueError(f"agent = {agent!r}; allowed: {', '.join(core.agents)}")
    return core.cluster.index[agent]
