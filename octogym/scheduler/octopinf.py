"""OctopInf: batching and placement of the whole cluster every five minutes (Nguyen et al., PerCom 2025)."""

from __future__ import annotations

import math

import numpy as np

from octogym.cluster.settings import DEADLINE
from octogym.cluster.topology import Cluster
from octogym.scheduler import coral
from octogym.scheduler.autoscaler import EVERY_S, Autoscaler
from octogym.scheduler.cwd import Distributor
from octogym.scheduler.deployment import Deployment, deploy
from octogym.scheduler.policy import PERIOD_S, Known, SchedulerPolicy, words
from octogym.scheduler.pools import Pool, merge

WORDS = ("deadline", "once", "any-batch", "no-autoscaler", "placement")


class OctopInfPolicy(SchedulerPolicy):
    """OctopInf's cross-device workload distributor (CWD), CORAL and autoscaler (fcpo spec 8.2).

    Every 300 s CWD plans each stream (batches, replicas, which stages move to the cameras' device), equal models of
    several streams are merged, CORAL finds them time on GPU lanes, and every 30 s the autoscaler adds or removes
    replicas. Rates are the largest of the means over 15, 30 and 60 s; before anything is known the published nominal
    ones. What it decides about is the scenario's: instances as `placement` lists them (replicas and variants
    included) and the routes between them. Where a scenario has one instance for each stage of a stream only the
    batches are left. The published system does not choose among variants; the one with the best recall is used.

    As published, batches are blind to the time that filling them takes. Decisions D27 to D29 hold: the move to the
    edge is undone where it breaks the SLO, profiles are used without a factor, inference counts per image.

    Args:
        argument: words separated by commas. `deadline`: a batch also leaves in time for its images' SLO, as in the
            first published version; without it only full batches leave (FIXED). `once`: one schedule, at the start.
            `any-batch`: batches may be smaller than the number of cameras served, which is the published minimum.
            `no-autoscaler`. `placement`: active instances and shares only, so that another policy sets the batches.

    Raises:
        SchedulerError: another word.
    """

    def __init__(self, argument: str | None = None) -> None:
        said = words("octopinf", argument, WORDS)
        super().__init__(
            schedule_s=math.inf if "once" in said else PERIOD_S,
            timeout_ns=DEADLINE if "deadline" in said else 0,
            settings="placement" not in said,
        )
        self.smallest = "any-batch" not in said
        if "no-autoscaler" not in said:
            self.look_s = EVERY_S

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        super().reset(cluster, num_envs, seed)
        self._pools: list[list[Pool]] = [[] for _ in range(num_envs)]
        self._autoscalers = [Autoscaler(self.layout) for _ in range(num_envs)]

    def plan(self, known: Known) -> Deployment:
        plans = [
            Distributor(self.layout, stream, rates, known.links).plan()
            for stream, rates in zip(self.layout.streams, known.rates, strict=True)
        ]
        pools = merge(self.layout, plans, self.smallest)
        coral.schedule(self.layout, pools)
        for pool in pools:
            pool.complete()
        self._pools[known.e] = pools
        self._autoscalers[known.e].adopt(pools)
        return self._deployment(pools)

    def between(self, known: Known) -> Deployment | None:
        changed = self._autoscalers[known.e].look(known.seconds, known.arrivals)
        return self._deployment(self._pools[known.e]) if changed else None

    def _deployment(self, pools: list[Pool]) -> Deployment:
        batch = np.ones(self.layout.cluster.S, np.int32)
        chosen = {}
        for pool in pools:
            batch[list(pool.model.slots)] = pool.model.batch
            for stream in pool.members:
                chosen[stream, pool.stage] = pool.used_by(stream)
        return deploy(self.layout, chosen, batch)
