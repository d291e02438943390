"""The scheduling loop as a `Policy`: shares of crops between devices, on any backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.shares import RouteShares
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.edges import TARGETS
from octogym.scheduler.offload.adaptation import Adaptation
from octogym.scheduler.offload.decider import Decider
from octogym.scheduler.offload.finetune import Tunable, Tuning
from octogym.scheduler.offload.loop import LoopSettings, SchedulingLoop, Sighting
from octogym.scheduler.offload.sampler import HISTORY, Sampler
from octogym.scheduler.offload.trigger import Reason

_SETTINGS = ("pack", "batch", "pre", "post", "timeout_ns")


class OffloadPolicy:
    """Samples every second, lets a `Decider` decide every 15 s or at an overload, and states the shares that hold.

    Each environment has a `SchedulingLoop` of its own, on the cluster's time. Only telemetry of past windows and the
    cluster is used.

    Args:
        decider: what decides.
        settings: whether the scenario's own instance settings are stated too, so that they do not expire; without them
            another policy may set them.
        loop: times of the loop; None: the published ones.
        known: devices that the decider was trained on; None: all.
        history: samples per node that the decider sees.
        targets: edges per node at most, servers not counted; None: all that are connected.
        correlate: whether the physical view is learned.
        tuning: how the decider is trained on when devices come and go (`adaptation`); None: it is not.

    Raises:
        SchedulerError: `tuning` with a decider that cannot be trained.
    """

    scope = "cluster"
    period_s = 1.0

    def __init__(
        self,
        decider: Decider,
        settings: bool = True,
        loop: LoopSettings | None = None,
        known: Collection[str] | None = None,
        history: int = HISTORY,
        targets: int | None = TARGETS,
        correlate: bool = True,
        tuning: Tuning | None = None,
    ) -> None:
        if tuning is not None and not isinstance(decider, Tunable):
            raise SchedulerError(f"tuning: {type(decider).__name__} cannot be trained while it decides; expected None")
        self._tuning = tuning
        self.decider, self.settings, self.loop, self.known = decider, settings, loop or LoopSettings(), known
        self._history, self._targets, self._correlate = history, targets, correlate
        #: Per environment, with `tuning`.
        self.adaptations: list[Adaptation] = []

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        """
        Raises:
            ValueError: a cluster in which nothing can be offloaded.
            SchedulerError: windows that are not 1 s long.
        """
        self.layout = layout = OffloadLayout(cluster, top_k=cluster.D)
        self.sampler = Sampler(layout, num_envs, self._history, self._targets, self._correlate)
        self.loops = [self._new_loop() for _ in range(num_envs)]
        #: Per environment: decisions by reason since it began.
        self.decisions: list[Counter[Reason]] = [Counter() for _ in range(num_envs)]
        self._seed = seed
        self.decider.reset(layout, num_envs, seed)
        for adaptation in self.adaptations:
            adaptation.stop()
        self.adaptations = [self._new_adaptation(e) for e in range(num_envs)] if self._tuning is not None else []
        self._routes = RouteShares(layout)
        self._instances = [np.flatnonzero([i.device == d for i in cluster.instances]) for d in layout.node_device]
        self._slo_s = np.array([self._slo(cluster, at) for at in self._instances])
        self._rows, self._columns = np.nonzero(layout.targets >= 0)
        self._nodes = layout.targets[self._rows, self._columns]
        self._decision = self._initial(cluster, num_envs)
        self._present = np.full((num_envs, cluster.D), -1, np.int8)
        self._active = np.full((num_envs, cluster.S), -1, np.int8)
        self._reach = np.zeros((num_envs, layout.M, layout.M), bool)
        self._weight = np.zeros((num_envs, layout.N, layout.T))
        self._until_s = np.full(num_envs, np.inf)

    def act(self, view: View) -> Decision:
        t = view.telemetry
        self.sampler.push(t)
        stale = self._ways(t)
        for e in range(len(t.t_ns)):
            if t.t_ns[e] == 0:  # an episode begins; what came before is forgotten
                self._begin(e)
                stale[e] = True
            stale[e] |= self._look(t, e)
            if stale[e]:
                self._weight[e] = self._wishes(e, int(t.t_ns[e]) / 1e9)
        if stale.any():
            self._decision.share_milli[:, self.layout.owned] = self._routes.milli(self._weight, self._usable)
        return self._decision.copy()

    def feedback(self, reward: np.ndarray, view: View) -> None:
        """Reward is ignored."""

    def state_dict(self) -> dict[str, np.ndarray]:
        return self.decider.state_dict()

    def load(self, state: dict[str, np.ndarray]) -> None:
        self.decider.load(state)

    def _begin(self, e: int) -> None:
        self.loops[e] = self._new_loop()
        self.decisions[e].clear()
        if self.adaptations:
            self.adaptations[e].stop()
            self.adaptations[e] = self._new_adaptation(e)

    def _new_loop(self) -> SchedulingLoop:
        site, known = self.sampler.site, self.known
        if known is not None:  # servers are all alike to a model
            known = {*known, *(name for name, server in zip(site.names, site.servers, strict=True) if server)}
        return SchedulingLoop(site.names, site.capacity, self.loop, known)

    def _new_adaptation(self, e: int) -> Adaptation:
        assert self._tuning is not None and isinstance(self.decider, Tunable)
        return Adaptation(self.decider, e, self.sampler.site, self.loop.patience, self._tuning, self._seed + e)

    def _ways(self, t: Telemetry) -> np.ndarray:
        """Renews which routes can be used; bool [E], where that changed."""
        changed = (t.present != self._present).any(1) | (t.active != self._active).any(1)
        if changed.any():
            self._present[:], self._active[:] = t.present, t.active
            self._usable = self._routes.usable(t.present, t.active)
            there = self._routes.valid(self._usable)
            self._reach[:, self._rows, self._nodes] = there[:, self._rows, self._columns]
        return changed

    def _look(self, t: Telemetry, e: int) -> bool:
        """One second of environment `e`; whether its shares may have changed."""
        loop, sampler, now_s = self.loops[e], self.sampler, int(t.t_ns[e]) / 1e9
        present = t.present[e, self.layout.node_device] > 0
        age_s = np.array([t.age_ns[e, at].min() if len(at) else 0 for at in self._instances]) / 1e9
        slo_share = sampler.latency_s(t, e) / self._slo_s if self.loop.rhythm.late_share is not None else None
        step = loop.look(Sighting(now_s, present, age_s, sampler.load(e), sampler.queue(e), slo_share))
        if self.adaptations:
            links = sampler.links_bps(e)
            self.adaptations[e].second(now_s, sampler.demand(e), loop.valid, *links, step.changes)
        if step.reason is not None:
            self.decisions[e][step.reason] += 1
            sample = sampler.sample(e, loop.valid, self._reach[e])
            self._until_s[e] = loop.commit(self.decider.decide(sample, e)).until_s
        expired = now_s >= self._until_s[e]
        if expired:
            self._until_s[e] = np.inf
        return step.reason is not None or bool(step.changes) or bool(expired)

    def _wishes(self, e: int, now_s: float) -> np.ndarray:
        """float64 [N, T]: what holds now, by the agents' targets."""
        matrix = self.loops[e].shares(now_s, self._reach[e])
        weight = np.zeros((self.layout.N, self.layout.T))
        weight[self._rows, self._columns] = matrix[self._rows, self._nodes]
        return weight

    def _initial(self, cluster: Cluster, num_envs: int) -> Decision:
        decision = Decision.keep(cluster, num_envs)
        if self.settings:
            for s, instance in enumerate(cluster.instances):
                for name in _SETTINGS:
                    getattr(decision, name)[:, s] = getattr(instance.initial, name)
            decision.share_milli[:] = [route.share_milli for route in cluster.routes]
        return decision

    @staticmethod
    def _slo(cluster: Cluster, instances: np.ndarray) -> float:
        return min((cluster.instance_slo_ns(int(s)) / 1e9 for s in instances), default=np.inf)
