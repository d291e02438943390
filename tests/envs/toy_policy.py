"""Policies that show what they were given."""

from __future__ import annotations

from typing import Any

import numpy as np

from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.topology import Cluster


class Sets:
    """Sets batch (and whatever else is named) everywhere, every `period_s`; keeps a diary."""

    scope = "agent"

    def __init__(self, batch: int = 3, period_s: float = 1.0, **fields: int) -> None:
        self.period_s, self.fields = period_s, {"batch": batch, **fields}
        self.seeds: list[int] = []
        self.steps: list[int] = []
        self.rewards: list[np.ndarray] = []
        self.due: np.ndarray | None = None

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self.seeds.append(seed)
        self._shape = cluster, num_envs

    def act(self, view: View) -> Decision:
        self.steps.append(view.step)
        self.due = view.due.copy()
        decision = Decision.keep(*self._shape)
        for name, value in self.fields.items():
            getattr(decision, name)[:] = value
        return decision

    def feedback(self, reward: np.ndarray, view: View) -> None:
        self.rewards.append(reward)

    def state_dict(self) -> dict[str, np.ndarray]:
        return {}

    def load(self, state: dict[str, Any]) -> None: ...
