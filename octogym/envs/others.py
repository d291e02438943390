"""The instances that nobody learns: a named policy decides for them."""

from __future__ import annotations

import numpy as np

from octogym.cluster import registry
from octogym.cluster.backend import Policy
from octogym.cluster.decision import Decision
from octogym.cluster.draws import POLICY, key_of
from octogym.cluster.runner import Merger
from octogym.cluster.settings import KEEP
from octogym.envs.core import BatchingCore
from octogym.envs.frame import Frame


class Others:
    """Runs a policy on every instance of `core` but `column`, in all environments at once.

    Args:
        policy: a name (`octogym.make_policy`), a `Policy`, or None: nobody decides, the instances keep their initial
            settings until those expire (docs/contract.md 2), then their safe ones.
        column: the instance that the environment's agent decides for.

    Raises:
        ValueError: `policy` is none of these, or its `period_s` is no multiple of the window.
    """

    def __init__(self, core: BatchingCore, policy: str | Policy | None, column: int) -> None:
        self._core, self._column = core, column
        if isinstance(policy, str):
            policy = registry.make_policy(policy)
        if policy is not None and not isinstance(policy, Policy):
            raise ValueError(f"others = {policy!r}; allowed: a policy's name, a Policy, or None")
        self._policy, self._seed, self._episode = policy, 0, 0
        if policy is None:
            return
        self._every = round(policy.period_s * 1e9 / core.cluster.period_ns)
        if self._every < 1 or self._every * core.cluster.period_ns != round(policy.period_s * 1e9):
            window_s = core.cluster.period_ns / 1e9
            raise ValueError(f"others: period_s = {policy.period_s}; allowed: a positive multiple of {window_s} s")
        self._due = np.ones((core.E, core.S), bool)
        self._due[:, column] = False
        self._earned = np.zeros((core.E, core.S), np.float32)

    def reset(self, seed: int | None) -> None:
        """A new episode in all environments; None goes on from the last seed."""
        if self._policy is None:
            return
        self._episode = 0 if seed is not None else self._episode + 1
        self._seed = self._seed if seed is None else seed
        own = self._seed if self._episode == 0 else int(key_of(self._seed, int(POLICY), self._episode) >> np.uint64(33))
        self._policy.reset(self._core.cluster, self._core.E, own)
        self._merger = Merger(self._core.cluster, self._core.E, ["others"])
        self._steps = 0
        self._earned[:] = 0

    def decide(self) -> None:
        """Put the policy's decision into the core's."""
        if self._policy is None:
            return
        view = self._core.view()
        view.due, view.step = self._due, self._steps
        patch = self._policy.act(view) if self._steps % self._every == 0 else None
        standing = self._merger.merge([patch])
        self._core.adopt(standing)
        self._free(self._core.decision)
        self._steps += 1

    def learn(self, frame: Frame) -> None:
        """Give the policy its reward, once per decision of its own."""
        if self._policy is None:
            return
        self._earned += frame.reward
        if self._steps % self._every == 0 or frame.truncated is not None:
            view = self._core.view()
            view.due, view.step = self._due, self._steps
            self._policy.feedback(self._earned.copy(), view)
            self._earned[:] = 0

    def _free(self, decision: Decision) -> None:
        for name in ("active", "pack", "batch", "pre", "post", "timeout_ns"):
            getattr(decision, name)[:, self._column] = KEEP
