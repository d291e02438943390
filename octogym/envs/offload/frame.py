"""What one step of the offloading problem left, in arrays of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from octogym.envs.agent_facts import FACTS

#: Infos about the cluster, arrays [E], and about each agent, [E, N] or [E, N, T].
RESULTS = ("generated", "on_time", "late", "dropped", "missed", "lost")
CLUSTER = (
    *("t_s", "window_s", "interrupted", "team_reward"),
    *[f"results_{name}" for name in (*RESULTS, "in_flight", "overdue")],
)
AGENT = (
    *("present", "mask", "fresh", "age_s", *FACTS, "target_mask", "shares"),
    *("demand", "load", "capacity", "overloaded", "offloaded"),
)


@dataclass
class OffloadFrame:
    """`observation` float32 [E, N, O], `reward` float32 [E, N], `team` float32 [E], `parts`: those of the state,
    float32 [E, ...]; `values`: infos by key; `truncated` bool [E]; `figures` of the episodes that ended, by
    environment."""

    observation: np.ndarray
    reward: np.ndarray
    team: np.ndarray
    parts: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    truncated: np.ndarray
    figures: dict[int, dict[str, float]]

    def state(self) -> np.ndarray:
        """float32 [E, Z]: the parts in order, flattened; a new array."""
        return np.concatenate([part.reshape(len(part), -1) for part in self.parts.values()], 1)

    def take(self, other: OffloadFrame, rows: np.ndarray) -> None:
        """Copy the environments `rows` bool [E] of `other`."""
        for name in ("observation", "reward", "team", "truncated"):
            getattr(self, name)[rows] = getattr(other, name)[rows]
        for mine, theirs in ((self.parts, other.parts), (self.values, other.values)):
            for name, array in mine.items():
                array[rows] = theirs[name][rows]
        self.figures.update(other.figures)

    def copy(self) -> OffloadFrame:
        """A frame with arrays of its own, without the episodes' ends."""
        return OffloadFrame(
            self.observation.copy(),
            np.zeros_like(self.reward),
            np.zeros_like(self.team),
            {name: array.copy() for name, array in self.parts.items()},
            {name: array.copy() for name, array in self.values.items()},
            np.zeros_like(self.truncated),
            {},
        )

    def cluster_info(self, e: int) -> dict[str, Any]:
        """What infos say about environment e's cluster."""
        info = {name: self.values[name][e].item() for name in CLUSTER}
        if e in self.figures:
            info["figures"] = dict(self.figures[e])
        return info

    def info(self, e: int, n: int) -> dict[str, Any]:
        """Agent n's info in environment e."""
        info = self.cluster_info(e)
        for name in AGENT:
            value = self.values[name][e, n, ...]  # an array, also of one
            info[name] = value.copy() if value.ndim else value.item()
        return info

    def central_info(self, e: int) -> dict[str, Any]:
        """The cluster's info, with arrays over the agents."""
        info = self.cluster_info(e)
        info.update({name: self.values[name][e].copy() for name in AGENT})
        return info
