"""Trying settings and shares in the simulator: many candidates at once, each on the same workloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from octogym.agents.sharing import Sharing
from octogym.cluster.decision import Decision
from octogym.cluster.registry import make_backend
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster

FIELDS = ("pack", "batch", "pre", "post")
PACK, BATCH, PRE, POST = range(4)
#: Batch sizes worth trying; what the rest would add is small.
LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True)
class Candidate:
    """What is held: `settings` int32 [S, 4], packing, batch, pre and post threads of every instance; `shares`
    uint16 [R], thousandths of every route (`KEEP_SHARE`: as it is)."""

    settings: np.ndarray
    shares: np.ndarray

    def copy(self) -> Candidate:
        return Candidate(self.settings.copy(), self.shares.copy())

    def same(self, other: Candidate) -> bool:
        return np.array_equal(self.settings, other.settings) and np.array_equal(self.shares, other.shares)


@dataclass(frozen=True)
class Outcome:
    """Leaf results per candidate, seed and camera: int64 [N, J, C]. `load`: requests/s, float64 [F], of each group
    of routes that shares spread (`Sharing.groups`), mean over all."""

    on_time: np.ndarray
    generated: np.ndarray
    load: np.ndarray

    def share(self) -> np.ndarray:
        """float64 [N]: share of all generated results on time."""
        return self.on_time.sum((1, 2)) / np.maximum(self.generated.sum((1, 2)), 1)


def initial(scenario: Scenario) -> Candidate:
    """How the scenario starts."""
    settings = [[getattr(i.initial, field) for field in FIELDS] for i in scenario.cluster.instances]
    return Candidate(np.array(settings, np.int32), Sharing(scenario).initial())


def common_batch(cluster: Cluster, base: Candidate, batch: int) -> Candidate:
    """`base` with one batch size everywhere, clipped to each instance's largest."""
    settings = base.settings.copy()
    settings[:, BATCH] = np.minimum(batch, [i.max_batch for i in cluster.instances])
    return replace(base, settings=settings)


def decide(decision: Decision, candidates: Sequence[Candidate], cluster: Cluster) -> None:
    """Write one candidate per environment into a decision. Timeouts stay as the scenario starts them."""
    for e, candidate in enumerate(candidates):
        for k, field in enumerate(FIELDS):
            getattr(decision, field)[e] = candidate.settings[:, k]
        decision.share_milli[e] = candidate.shares
    decision.timeout_ns[:] = [i.initial.timeout_ns for i in cluster.instances]


def cameras_served(cluster: Cluster) -> np.ndarray:
    """bool [S, C]: whose results an instance can have a part in."""
    served = np.zeros((cluster.S + cluster.C, cluster.C), bool)
    served[cluster.S :] = np.eye(cluster.C, dtype=bool)
    for _ in cluster.stages:  # no path is longer
        for route in cluster.routes:
            served[route.target] |= served[route.source]
    return served[: cluster.S]


def evaluate(
    scenario: Scenario,
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    horizon_s: float,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Hold each candidate for `horizon_s` on the workload of each seed; all of them are one batch of the simulator.

    `progress` is called with the number of simulated environment-windows as they pass.
    """
    n, j = len(candidates), len(seeds)
    cluster, sharing = scenario.cluster, Sharing(scenario)
    backend = make_backend("sim", scenario, num_envs=n * j, threads=threads)
    decision = Decision.keep(cluster, n * j)
    decide(decision, [candidate for candidate in candidates for _ in seeds], cluster)
    telemetry = backend.reset(list(seeds) * n)
    objects = np.zeros((n * j, cluster.C), np.int64)
    for _ in range(round(horizon_s * 1e9 / cluster.period_ns)):
        telemetry = backend.step(decision)
        objects += telemetry.objects
        if progress is not None:
            progress(n * j)
    shape = (n, j, cluster.C)
    outcome = Outcome(
        telemetry.total_on_time_results.reshape(shape).copy(),
        telemetry.total_generated.reshape(shape).copy(),
        sharing.load(objects, telemetry.total_arrived).mean(0) / horizon_s,
    )
    backend.close()
    return outcome
