"""Random but reproducible decisions."""

from __future__ import annotations

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.draws import uniform_of
from octogym.cluster.settings import DEADLINE, KEEP, THREAD_ACTIONS
from octogym.cluster.topology import Cluster

# Keeps these draws apart from every stream of octogym.cluster.draws.
_STREAM = 1 << 40
_TIMEOUTS_NS = (0, 20_000_000, 100_000_000, DEADLINE)


def random_decision(cluster: Cluster, seeds: np.ndarray, step: int, keep: float = 0.2, shares: bool = True) -> Decision:
    """A valid decision [E, ...]; row e depends on `seeds[e]`, `step` and nothing else. Each setting is kept with
    probability `keep`; `shares`: spread requests, too."""
    E, S = len(seeds), cluster.S
    decision = Decision.keep(cluster, E)

    def draw(field: int) -> np.ndarray:
        return uniform_of(seeds[:, None], _STREAM, step, field, np.arange(S)[None, :])

    def index(field: int, sizes: np.ndarray) -> np.ndarray:
        return (draw(field) * sizes).astype(np.int64)

    sizes = np.array([instance.action_sizes for instance in cluster.instances])
    kept = [draw(10 + n) < keep for n in range(4)]
    decision.pack[:] = np.where(kept[0], KEEP, index(0, sizes[:, 0]) + 1)
    decision.batch[:] = np.where(kept[1], KEEP, index(1, sizes[:, 1]) + 1)
    # Threads change when they are asked for twice in a row, so the same is asked for in steps 2 k and 2 k + 1.
    held = uniform_of(seeds[:, None], _STREAM, step // 2, 2, np.arange(S)[None, :])
    threads = np.array(THREAD_ACTIONS)[(held * sizes[:, 2]).astype(np.int64)]
    decision.pre[:] = np.where(kept[2], KEEP, threads[..., 0])
    decision.post[:] = np.where(kept[2], KEEP, threads[..., 1])
    decision.timeout_ns[:] = np.where(kept[3], KEEP, np.array(_TIMEOUTS_NS)[index(3, np.full(S, 4))])
    if shares and step % 3 == 0:
        _spread(cluster, seeds, step, decision)
    return decision


def _spread(cluster: Cluster, seeds: np.ndarray, step: int, decision: Decision) -> None:
    for group in range(cluster.groups):
        routes = [r for r, route in enumerate(cluster.routes) if route.group == group]
        cut = np.sort(
            uniform_of(seeds[:, None], _STREAM, step, 20 + group, np.arange(len(routes) - 1)[None, :]), axis=1
        )
        edges = np.concatenate([np.zeros((len(seeds), 1)), cut, np.ones((len(seeds), 1))], axis=1)
        decision.share_milli[:, routes] = np.diff(np.round(1000 * edges).astype(np.int64), axis=1)
