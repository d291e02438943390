"""One loop that drives any backend with any policies: no environment, no learning library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence, Union

import numpy as np

from octogym.cluster.backend import Backend, Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.errors import OctoGymError
from octogym.cluster.rate import RateMeter
from octogym.cluster.results import Recorder
from octogym.cluster.reward import FcpoReward
from octogym.cluster.settings import KEEP, KEEP_SHARE
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster

Reward = Callable[[Telemetry, np.ndarray, np.ndarray], np.ndarray]
#: Fields of a decision in the order in which patches are merged: placement, instance settings, shares.
MERGE_ORDER = ("active", "pack", "batch", "pre", "post", "timeout_ns", "share_milli")


class PolicyConflict(OctoGymError, ValueError):
    """Two policies set the same field of the same instance (or the same routes)."""


@dataclass
class Window:
    """What one window did. Arrays belong to the runner and its backend and are overwritten in the next window.

    `decision`: what was sent at its start. `rate`: requests/s, float64 [E, S], and `reward` float32 [E, S] after it.
    """

    step: int
    decision: Decision
    telemetry: Telemetry
    rate: np.ndarray
    reward: np.ndarray


class Merger:
    """Merges the patches of several policies into one decision and keeps it alive.

    Whatever a policy has set stands until it sets something else and is sent again in every window, so that the
    validity of a decision does not run out between two decisions of a policy with a long period. Settings that no
    policy ever set stay -1 (the instance falls to its safe ones); shares that none ever set are the scenario's, as in
    an environment. A field of an instance belongs to the policy that set it first; another that sets it raises
    `PolicyConflict`.
    """

    def __init__(self, cluster: Cluster, num_envs: int, names: Sequence[str]) -> None:
        self.cluster, self.names = cluster, list(names)
        self.standing = Decision.keep(cluster, num_envs)
        self.standing.share_milli[:] = [route.share_milli for route in cluster.routes]
        self._owner = {name: np.full(getattr(self.standing, name).shape, -1, np.int16) for name in MERGE_ORDER}

    def merge(self, patches: Sequence[Optional[Decision]]) -> Decision:
        """The decision to send: `patches[p]` is what policy p asks for, None if it was not its turn."""
        for field in MERGE_ORDER:
            standing, owner = getattr(self.standing, field), self._owner[field]
            keep = KEEP_SHARE if field == "share_milli" else KEEP
            for p, patch in enumerate(patches):
                if patch is None:
                    continue
                values = np.asarray(getattr(patch, field))
                if values.shape != standing.shape:
                    raise ValueError(
                        f"policy {self.names[p]}: decision.{field} has shape {values.shape}, expected {standing.shape}"
                    )
                given = values != keep
                taken = given & (owner != p) & (owner >= 0)
                if taken.any():
                    raise PolicyConflict(self._conflict(field, p, taken, owner))
                owner[given] = p
                np.copyto(standing, values, where=given, casting="same_kind")
        return self.standing

    def _conflict(self, field: str, p: int, taken: np.ndarray, owner: np.ndarray) -> str:
        e, at = (int(x[0]) for x in np.nonzero(taken))
        if field == "share_milli":
            route = self.cluster.routes[at]
            source, S = route.source, self.cluster.S
            origin = self.cluster.instances[source].id if source < S else self.cluster.cameras[source - S].id
            where = f"route {at}, {origin} to {self.cluster.instances[route.target].id}"
        else:
            where = self.cluster.instances[at].id
        return (
            f"policies {self.names[int(owner[e, at])]} and {self.names[p]} both set {field} of {where}; "
            "one field of one instance belongs to one policy"
        )


class Runner:
    """Drives `backend` with one policy or several.

    Each policy is asked at windows 0, n, 2n, ... where n windows make its `period_s`. It gets one `feedback` per
    decision, the sum of the reward over the windows from that decision to its next (or to the end of the run).

    Args:
        backend: any `Backend`; its E environments run at once.
        policies: one `Policy` or several that set different fields.
        reward: maps (telemetry, rate [E, S], present [E, S]) to float32 [E, S]; FCPO's Eq. 1 if not given.
        names: for error messages; the policies' class names if not given.

    Raises:
        ValueError: a `period_s` that is no positive multiple of the window.
    """

    def __init__(
        self,
        backend: Backend,
        policies: Union[Policy, Sequence[Policy]],
        reward: Optional[Reward] = None,
        names: Optional[Sequence[str]] = None,
    ) -> None:
        self.backend, self.cluster, self.num_envs = backend, backend.cluster, backend.num_envs
        self.policies: List[Policy] = list(policies) if isinstance(policies, Sequence) else [policies]
        if not self.policies:
            raise ValueError("a runner needs at least one policy")
        self.names = list(names) if names is not None else _names(self.policies)
        self._every = [_windows(policy, name, self.cluster) for policy, name in zip(self.policies, self.names)]
        self._reward: Reward = FcpoReward() if reward is None else reward
        self._device = np.array([instance.device for instance in self.cluster.instances], np.intp)
        self._due = np.ones((self.num_envs, self.cluster.S), bool)

    def windows(self, count: int, seed: int = 0) -> Iterator[Window]:
        """Reset backend and policies with `seed` (environment e: seed + e) and yield `count` windows."""
        telemetry = self.backend.reset(seed)
        for policy in self.policies:
            policy.reset(self.cluster, self.num_envs, seed)
        meter = RateMeter(self.num_envs, self.cluster.S, self.cluster.period_ns)
        merger = Merger(self.cluster, self.num_envs, self.names)
        earned = [np.zeros((self.num_envs, self.cluster.S), np.float32) for _ in self.policies]
        view = self._view(telemetry, 0)
        for step in range(count):
            asked = [policy.act(view) if self._asks(p, step) else None for p, policy in enumerate(self.policies)]
            decision = merger.merge(asked)
            telemetry = self.backend.step(decision)
            rate = meter.push(telemetry.arrived)
            view = self._view(telemetry, step + 1)
            reward = self._reward(telemetry, rate, view.present)
            for p, policy in enumerate(self.policies):
                earned[p] += reward
                if self._asks(p, step + 1) or step + 1 == count:
                    policy.feedback(earned[p].copy(), view)
                    earned[p][:] = 0
            yield Window(step, decision, telemetry, rate, reward)

    def run(self, horizon_s: float, seed: int = 0, progress: Optional[Callable[[Window], None]] = None) -> Recorder:
        """Run `horizon_s` seconds of cluster time and keep every window.

        `progress` is called after each window. Ctrl-C ends the run early: what was run comes back, marked
        `interrupted`.

        Raises:
            ValueError: a horizon that is no positive multiple of the window.
        """
        count = _multiple(horizon_s, self.cluster.period_ns, "horizon")
        recorder = Recorder(self.cluster, self.num_envs, count, seed)
        try:
            for window in self.windows(count, seed):
                recorder.add(window.telemetry, window.reward)
                if progress is not None:
                    progress(window)
        except KeyboardInterrupt:
            recorder.interrupted = True
        return recorder

    def _asks(self, p: int, step: int) -> bool:
        return step % self._every[p] == 0

    def _view(self, telemetry: Telemetry, step: int) -> View:
        present = telemetry.present[:, self._device] > 0
        return View(telemetry, self.cluster, step, self._due, present, self.backend)


def _names(policies: Sequence[Policy]) -> List[str]:
    names = [type(policy).__name__ for policy in policies]
    return [name if names.count(name) == 1 else f"{name} {p}" for p, name in enumerate(names)]


def _windows(policy: Policy, name: str, cluster: Cluster) -> int:
    return _multiple(policy.period_s, cluster.period_ns, f"period_s of policy {name}")


def _multiple(seconds: float, period_ns: int, what: str) -> int:
    count = round(seconds * 1e9 / period_ns)
    if count < 1 or abs(count * period_ns - seconds * 1e9) > 0.5:
        raise ValueError(f"{what} = {seconds} s: expected a positive multiple of {period_ns / 1e9} s")
    return count
