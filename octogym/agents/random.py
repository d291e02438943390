"""The random policy: every setting equally likely."""

from __future__ import annotations

import numpy as np

from octogym.agents.errors import PolicyError
from octogym.agents.sampling import action_uniforms
from octogym.agents.stateless import StatelessPolicy
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.cluster.topology import Cluster


class RandomPolicy(StatelessPolicy):
    """Draws packing, batch and threads of every instance each second, uniformly over the instance's own actions.

    Draws are keyed by (seed of the environment, instance, second), so the same seed gives the same actions anywhere.
    A thread change applies only when the same pair is drawn twice in a row.
    """

    def __init__(self, argument: str | None = None) -> None:
        if argument:
            raise PolicyError(f"policy random takes no argument, got {argument!r}")
        self._seed = 0
        self._sizes = np.zeros((0, 3), np.int64)

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self._seed = seed
        self._sizes = np.array([i.action_sizes for i in cluster.instances], np.int64).reshape(-1, 3)

    def act(self, view: View) -> Decision:
        decision = Decision.keep(view.cluster, len(view.due))
        u = action_uniforms(self._seed, len(view.due), view.cluster.S, view.step)
        # Inverse CDF of the uniform law over n actions.
        index = np.minimum((u * self._sizes).astype(np.int64), self._sizes - 1)
        pairs = np.array(THREAD_ACTIONS)[index[..., 2]]
        decision.pack[:] = index[..., 0] + 1
        decision.batch[:] = index[..., 1] + 1
        decision.pre[:] = pairs[..., 0]
        decision.post[:] = pairs[..., 1]
        return decision
