"""A policy that decides beside the learning agents, in all environments at once."""

from __future__ import annotations

import numpy as np

from octogym.cluster import registry
from octogym.cluster.backend import Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.draws import POLICY, key_of
from octogym.cluster.runner import Merger
from octogym.cluster.topology import Cluster


class Seat:
    """Asks a policy every `period_s`, begins it anew in every episode, and pays it once per decision of its own.

    Args:
        policy: a name (`octogym.make_policy`) or a `Policy`.
        agents: instances that are not the policy's; `view.due` says so.

    Raises:
        ValueError: `policy` is neither, or its `period_s` is no multiple of the window.
    """

    def __init__(self, policy: str | Policy, cluster: Cluster, num_envs: int, agents: np.ndarray) -> None:
        if isinstance(policy, str):
            policy = registry.make_policy(policy)
        if not isinstance(policy, Policy):
            raise ValueError(f"others = {policy!r}; allowed: a policy's name, a Policy, or None")
        self.policy, self._cluster, self._E = policy, cluster, num_envs
        self._every = round(policy.period_s * 1e9 / cluster.period_ns)
        if self._every < 1 or self._every * cluster.period_ns != round(policy.period_s * 1e9):
            window_s = cluster.period_ns / 1e9
            raise ValueError(f"others: period_s = {policy.period_s}; allowed: a positive multiple of {window_s} s")
        self._due = np.ones((num_envs, cluster.S), bool)
        self._due[:, agents] = False
        self._earned = np.zeros((num_envs, cluster.S), np.float32)
        self._seed, self._episode, self._steps = 0, 0, 0

    def reset(self, seed: int | None) -> None:
        """A new episode in all environments; None goes on from the last seed."""
        self._episode = 0 if seed is not None else self._episode + 1
        self._seed = self._seed if seed is None else seed
        own = self._seed if self._episode == 0 else int(key_of(self._seed, int(POLICY), self._episode) >> np.uint64(33))
        self.policy.reset(self._cluster, self._E, own)
        #: What the policy has set in this episode.
        self.merger = Merger(self._cluster, self._E, ["others"])
        self._steps = 0
        self._earned[:] = 0

    def ask(self, view: View) -> Decision | None:
        """One window begins: what the policy sets, None if it is not its turn."""
        patch = self.policy.act(self._own(view)) if self._steps % self._every == 0 else None
        self._steps += 1
        return patch

    def pay(self, reward: np.ndarray, view: View, ended: bool) -> None:
        """The window's reward, float32 [E, S]; the policy gets the sum before its next turn and where an episode has
        `ended`."""
        self._earned += reward
        if ended or self._steps % self._every == 0:
            self.policy.feedback(self._earned.copy(), self._own(view))
            self._earned[:] = 0

    def _own(self, view: View) -> View:
        view.due, view.step = self._due, self._steps
        return view
