"""Trying settings in the simulator: many candidates at once, each on the same workloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.registry import make_backend
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster

#: A candidate: int32 [S, 4], packing, batch, pre and post threads of every instance.
FIELDS = ("pack", "batch", "pre", "post")
PACK, BATCH, PRE, POST = range(4)
#: Batch sizes worth trying; what the rest would add is small.
LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True)
class Outcome:
    """Leaf results per candidate, seed and camera: int64 [N, J, C]."""

    on_time: np.ndarray
    generated: np.ndarray

    def share(self) -> np.ndarray:
        """float64 [N]: share of all generated results on time."""
        return self.on_time.sum((1, 2)) / np.maximum(self.generated.sum((1, 2)), 1)


def initial_settings(cluster: Cluster) -> np.ndarray:
    """int32 [S, 4]: how the scenario starts."""
    return np.array([[getattr(i.initial, field) for field in FIELDS] for i in cluster.instances], np.int32)


def common_batch(cluster: Cluster, base: np.ndarray, batch: int) -> np.ndarray:
    """`base` with one batch size everywhere, clipped to each instance's largest."""
    settings = base.copy()
    settings[:, BATCH] = np.minimum(batch, [i.max_batch for i in cluster.instances])
    return settings


def decide(decision: Decision, settings: np.ndarray) -> None:
    """Write settings [E, S, 4] (or [S, 4] for all) into a decision. Batches do not wait for a time-out."""
    for k, field in enumerate(FIELDS):
        getattr(decision, field)[:] = settings[..., k]
    decision.timeout_ns[:] = 0


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
    candidates: Sequence[np.ndarray],
    seeds: Sequence[int],
    horizon_s: float,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Hold each candidate for `horizon_s` on the workload of each seed; all of them are one batch of the simulator.

    `progress` is called with the number of simulated environment-windows as they pass.
    """
    n, j = len(candidates), len(seeds)
    backend = make_backend("sim", scenario, num_envs=n * j, threads=threads)
    decision = Decision.keep(scenario.cluster, n * j)
    decide(decision, np.repeat(np.stack(candidates), j, axis=0))
    telemetry = backend.reset(list(seeds) * n)
    for _ in range(round(horizon_s * 1e9 / scenario.cluster.period_ns)):
        telemetry = backend.step(decision)
        if progress is not None:
            progress(n * j)
    shape = (n, j, scenario.cluster.C)
    outcome = Outcome(
        telemetry.total_on_time_results.reshape(shape).copy(), telemetry.total_generated.reshape(shape).copy()
    )
    backend.close()
    return outcome
