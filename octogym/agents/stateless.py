"""What policies without learning have in common."""

from __future__ import annotations

import numpy as np

from octogym.cluster.backend import View
from octogym.cluster.topology import Cluster


class StatelessPolicy:
    """A `Policy` that decides every second for every instance by itself, and neither learns nor keeps weights."""

    scope = "agent"
    period_s = 1.0

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        """Nothing to forget."""

    def feedback(self, reward: np.ndarray, view: View) -> None:
        """Reward is ignored."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Empty: there are no weights."""
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """ValueError if there is anything to load."""
        if state:
            raise ValueError(f"{type(self).__name__} has no weights; given: {', '.join(sorted(state))}")
