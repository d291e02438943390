"""A policy on the devices of a simulated rack: what decides where a device is under control of its agent."""

from __future__ import annotations

import numpy as np

from octogym.cluster.backend import Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.errors import OctoGymError
from octogym.cluster.registry import make_policy
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster


class OnboardPolicy:
    """Decides for instances in each window by what their devices know at its beginning.

    Every agent of such a policy decides for its own instance alone, so that one object may stand for all devices of a
    world: a device takes its own rows of what it says.

    Args:
        name: of the policy, one of scope "agent" that decides in every window.

    Raises:
        OctoGymError: any other.
    """

    def __init__(self, name: str, cluster: Cluster) -> None:
        self._policy: Policy = make_policy(name)
        if self._policy.scope != "agent" or round(self._policy.period_s * 1e9) != cluster.period_ns:
            raise OctoGymError(
                f"policy {name} on board: scope {self._policy.scope!r}, period {self._policy.period_s:g} s; allowed: "
                f"scope 'agent', {cluster.period_ns / 1e9:g} s (a window)"
            )
        self._cluster = cluster
        self._device = np.array([instance.device for instance in cluster.instances], np.intp)
        self._due = np.ones((1, cluster.S), bool)
        self._window: int | None = None
        self._decision = Decision.keep(cluster)

    def reset(self, seed: int) -> None:
        """An episode begins."""
        self._policy.reset(self._cluster, 1, seed)
        self._window, self._step = None, 0

    def decide(self, window: int, telemetry: Telemetry) -> Decision:
        """The decision for `window`, the same for all who ask; `telemetry` is of the window before."""
        if window != self._window:
            present = telemetry.present[:, self._device] > 0
            view = View(telemetry, self._cluster, self._step, self._due, present, None)
            self._window, self._decision = window, self._policy.act(view).copy()
            self._step += 1
        return self._decision
