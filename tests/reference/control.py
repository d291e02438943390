"""How a decision comes into force (contract, section 2): keeping, thread changes, validity, shares."""

from __future__ import annotations

from octogym.cluster.decision import Decision
from octogym.cluster.settings import KEEP, KEEP_SHARE
from octogym.cluster.telemetry import BY_HOST, BY_SAFE
from octogym.cluster.topology import Cluster, Route
from tests.reference.instance import InstanceState
from tests.reference.spread import SPREADERS


class InstanceControl:
    """Settings of one instance over the decisions."""

    def __init__(self, instance: InstanceState, validity: int) -> None:
        self.instance = instance
        self.validity = validity
        self.kept = 0  # decisions in a row that kept everything
        self.requested: tuple[int, int] | None = None  # threads that the last decision asked for
        self.set_by = BY_HOST

    def apply(self, now: int, active: int, pack: int, batch: int, pre: int, post: int, timeout_ns: int) -> None:
        state = self.instance
        if active != KEEP:
            state.active = bool(active)
        if (pack, batch, pre, post, timeout_ns) == (KEEP,) * 5:
            self.requested = None
            self.kept += 1
            if self.kept > self.validity:
                safe = state.spec.safe
                self.set_by = BY_SAFE
                state.pre, state.post = safe.pre, safe.post
                self._set_batching(now, safe.pack, safe.batch, safe.timeout_ns)
            return
        self.kept = 0
        self.set_by = BY_HOST
        self._request_threads(pre, post)
        self._set_batching(
            now,
            state.pack if pack == KEEP else pack,
            state.batch if batch == KEEP else batch,
            state.timeout_ns if timeout_ns == KEEP else timeout_ns,
        )

    def _request_threads(self, pre: int, post: int) -> None:
        state = self.instance
        if pre == KEEP and post == KEEP:
            self.requested = None
            return
        pair = (state.pre if pre == KEEP else pre, state.post if post == KEEP else post)
        if pair == self.requested:
            state.pre, state.post = pair
        self.requested = pair

    def _set_batching(self, now: int, pack: int, batch: int, timeout_ns: int) -> None:
        state = self.instance
        changed = pack != state.pack
        state.batch, state.timeout_ns = batch, timeout_ns
        if changed:
            state.flush(now)
            state.pack = pack
        if state.hand and len(state.hand) >= batch:
            state.hand_leaves(now)
        state.set_timer(now)


class Group:
    """The routes of one source to one next stage, and the spreading of requests over them."""

    def __init__(self, cluster: Cluster, number: int, rule: str, validity: int) -> None:
        self.number = number
        self.indices = [r for r, route in enumerate(cluster.routes) if route.group == number]
        self.routes: list[Route] = [cluster.routes[r] for r in self.indices]
        self.source = self.routes[0].source
        self.stage = self.routes[0].stage
        self.validity = validity
        self.kept = 0
        self.shares = [route.share_milli for route in self.routes]
        self.make_spreader = SPREADERS[rule]
        self.spreader = self.make_spreader(self.shares)

    def apply(self, shares: list[int]) -> None:
        if KEEP_SHARE in shares:
            self.kept += 1
            if self.kept <= self.validity:
                return
            shares = [1000] + [0] * (len(self.routes) - 1)
        else:
            self.kept = 0
        if shares != self.shares:
            self.shares = shares
            self.spreader = self.make_spreader(shares)


class Control:
    """Settings and shares of the whole cluster."""

    def __init__(self, cluster: Cluster, instances: list[InstanceState], rule: str, delay_steps: int) -> None:
        self.instances = [InstanceControl(instance, cluster.settings_validity) for instance in instances]
        self.groups = [Group(cluster, g, rule, cluster.share_validity) for g in range(cluster.groups)]
        self.waiting = [Decision.keep(cluster) for _ in range(delay_steps)]

    def apply(self, now: int, decision: Decision) -> None:
        self.waiting.append(decision.copy())
        decision = self.waiting.pop(0)
        names = ("active", "pack", "batch", "pre", "post", "timeout_ns")
        for i, control in enumerate(self.instances):
            control.apply(now, *(int(getattr(decision, name)[0, i]) for name in names))
        for group in self.groups:
            group.apply([int(decision.share_milli[0, r]) for r in group.indices])
