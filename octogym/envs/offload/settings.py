"""Everything in a decision but the agents' shares: the scenario's own settings, or another policy's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octogym.cluster.backend import Backend, Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.rate import RateMeter
from octogym.cluster.reward import FcpoReward
from octogym.cluster.runner import PolicyConflict
from octogym.cluster.settings import KEEP, KEEP_SHARE
from octogym.cluster.telemetry import Telemetry
from octogym.envs.seat import Seat

_SETTINGS = ("pack", "batch", "pre", "post", "timeout_ns")


class Settings:
    """States instance settings and all other shares in every window, so that none expires.

    Args:
        owned: routes whose shares belong to the agents.
        policy: a name (`octogym.make_policy`), a `Policy`, or None. What it does not set is the scenario's.
        agents: instances that have agents: the policy is told that they are not its own.

    Raises:
        ValueError: `policy` is none of these, or its `period_s` is no multiple of the window.
    """

    def __init__(
        self, backend: Backend, owned: np.ndarray, policy: str | Policy | None, agents: Sequence[int] = ()
    ) -> None:
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
        self._seat: Seat | None = None
        if policy is None:
            return
        self._seat = Seat(policy, cluster, E, np.array(agents, np.intp))
        self._device = np.array([instance.device for instance in cluster.instances], np.intp)
        self._everyone = np.ones((E, cluster.S), bool)
        self._meter, self._reward = RateMeter(E, cluster.S, cluster.period_ns), FcpoReward()

    def reset(self, seed: int | None, mask: np.ndarray) -> None:
        """A new episode in the environments of `mask` bool [E]; None goes on from the last seed. The policy begins
        anew where all environments do."""
        if self._seat is None:
            return
        self._meter.reset(mask)
        if mask.all():
            self._seat.reset(seed)

    def decide(self, t: Telemetry) -> None:
        """Renew `decision`, the agents' routes aside.

        Raises:
            PolicyConflict: the policy sets shares of the agents' routes.
        """
        patch = None if self._seat is None else self._seat.ask(self._view(t))
        if self._seat is None or patch is None:
            return
        patch.validate(self._cluster, self._E)
        if (patch.share_milli[:, self._owned] != KEEP_SHARE).any():
            raise PolicyConflict("others sets shares of camera devices' first stages, which belong to the agents")
        standing = self._seat.merger.merge([patch])
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
        if self._seat is None:
            return
        rate, view = self._meter.push(t.arrived), self._view(t)
        self._seat.pay(self._reward(t, rate, view.present), view, ended)

    def _view(self, t: Telemetry) -> View:
        present = t.present[:, self._device] > 0
        return View(t, self._cluster, 0, self._everyone, present, self._backend)
