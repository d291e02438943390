"""Everything in a decision but the agents' shares: the scenario's own settings, or another policy's."""

from __future__ import annotations

import numpy as np

from octogym.cluster import registry
from octogym.cluster.backend import Backend, Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.draws import POLICY, key_of
from octogym.cluster.rate import RateMeter
from octogym.cluster.reward import FcpoReward
from octogym.cluster.runner import Merger, PolicyConflict
from octogym.cluster.settings import KEEP, KEEP_SHARE
from octogym.cluster.telemetry import Telemetry

_SETTINGS = ("pack", "batch", "pre", "post", "timeout_ns")


class Settings:
    """States instance settings and all other shares in every window, so that none expires.

    Args:
        owned: routes whose shares belong to the agents.
        policy: a name (`octogym.make_policy`), a `Policy`, or None. What it does not set is the scenario's.

    Raises:
        ValueError: `policy` is none of these, or its `period_s` is no multiple of the window.
    """

    def __init__(self, backend: Backend, owned: np.ndarray, policy: str | Policy | None) -> None:
        self._backend, self._cluster, self._E = backend, backend.cluster, backend.num_envs
        cluster, E = self._cluster, self._E
        self._initial = Decision.keep(cluster, E)
        for s, instance in enumerate(cluster.instances):
            for name in _SETTINGS:
                getattr(self._initial, name)[:, s] = getattr(instance.initial, name)
        self._initial.share_milli[:] = [route.share_milli for route in cluster.routes]
        self._owned = owned
        #: What is sent in the next window.
        self.decision = self._initial.copy()
        if isinstance(policy, str):
            policy = registry.make_policy(policy)
        if policy is not None and not isinstance(policy, Policy):
            raise ValueError(f"others = {policy!r}; allowed: a policy's name, a Policy, or None")
        self._policy, self._seed, self._episode = policy, 0, 0
        if policy is None:
            return
        self._every = round(policy.period_s * 1e9 / cluster.period_ns)
        if self._every < 1 or self._every * cluster.period_ns != round(policy.period_s * 1e9):
            window_s = cluster.period_ns / 1e9
            raise ValueError(f"others: period_s = {policy.period_s}; allowed: a positive multiple of {window_s} s")
        self._device = np.array([instance.device for instance in cluster.instances], np.intp)
        self._due = np.ones((E, cluster.S), bool)
        self._earned = np.zeros((E, cluster.S), np.float32)
        self._meter, self._reward = RateMeter(E, cluster.S, cluster.period_ns), FcpoReward()

    def reset(self, seed: int | None, mask: np.ndarray) -> None:
        """A new episode in the environments of `mask` bool [E]; None goes on from the last seed. The policy begins
        anew where all environments do."""
        if self._policy is None:
            return
        self._meter.reset(mask)
        if not mask.all():
            return
        self._episode = 0 if seed is not None else self._episode + 1
        self._seed = self._seed if seed is None else seed
        own = self._seed if self._episode == 0 else int(key_of(self._seed, int(POLICY), self._episode) >> np.uint64(33))
        self._policy.reset(self._cluster, self._E, own)
        self._merger = Merger(self._cluster, self._E, ["others"])
        self._steps = 0
        self._earned[:] = 0

    def decide(self, t: Telemetry) -> None:
        """Renew `decision`, the agents' routes aside.

        Raises:
            PolicyConflict: the policy sets shares of the agents' routes.
        """
        if self._policy is None:
            return
        patch = self._policy.act(self._view(t)) if self._steps % self._every == 0 else None
        self._steps += 1
        if patch is None:
            return
        patch.validate(self._cluster, self._E)
        if (patch.share_milli[:, self._owned] != KEEP_SHARE).any():
            raise PolicyConflict("others sets shares of camera devices' first stages, which belong to the agents")
        standing = self._merger.merge([patch])
        np.copyto(self.decision.active, standing.active)
        for name in _SETTINGS:
            given = getattr(standing, name)
            np.copyto(getattr(self.decision, name), np.where(given != KEEP, given, getattr(self._initial, name)))
        rest = np.ones(self._cluster.R, bool)
        rest[self._owned] = False
        given = np.where(standing.share_milli != KEEP_SHARE, standing.share_milli, self._initial.share_milli)
        self.decision.share_milli[:, rest] = given[:, rest]

    def learn(self, t: Telemetry, ended: bool) -> None:
        """Give the policy FCPO's reward of its instances, once per decision of its own, and where an episode ends."""
        if self._policy is None:
            return
        rate = self._meter.push(t.arrived)
        self._earned += self._reward(t, rate, t.present[:, self._device] > 0)
        if ended or self._steps % self._every == 0:
            self._policy.feedback(self._earned.copy(), self._view(t))
            self._earned[:] = 0

    def _view(self, t: Telemetry) -> View:
        present = t.present[:, self._device] > 0
        return View(t, self._cluster, self._steps, self._due, present, self._backend)
