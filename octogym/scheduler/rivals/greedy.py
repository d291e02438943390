"""The two greedy balancers that decide for the rivals: Distream's, and the released label script's."""

from __future__ import annotations

import numpy as np

from octogym.scheduler.errors import SchedulerError

#: Distream balances while the most loaded node is so far above the mean (its public code, loadBalance.go).
IMBALANCE = 0.2
#: Loads, rooms and link rates below this count as none, objects per frame.
EPSILON = 1e-6


def even_out(
    load: np.ndarray,
    capacity: np.ndarray,
    edges: np.ndarray,
    rate: np.ndarray,
    queue: np.ndarray,
    valid: np.ndarray | None = None,
    imbalance: float = IMBALANCE,
) -> np.ndarray:
    """Transfers of Distream's balancer: from the most loaded node, over the best link to a node below the mean.

    Loads count relative to capacities, since devices differ; the mean is that of all nodes together. While a node is
    more than ``imbalance`` above it, the most loaded one that still can gives what it has above the mean to the target
    with the best rate / (1 + queue), as far as the target has capacity and the link is fast enough. A node gives only
    what was generated there, never what it was given. At most N^2 moves, as the original's bound.

    Args:
        load: [N] objects per frame that are expected at each node.
        capacity: [N] objects per frame.
        edges: bool [N, N]: i may send to j. The diagonal is ignored.
        rate: [N, N] objects per frame that the way from i to j carries.
        queue: [N] requests that wait.
        valid: bool [N], nodes that are there; None: all.

    Returns:
        float64 [N, N] objects per frame that leave i for j. No node is brought above its capacity.

    Raises:
        SchedulerError: shapes that do not fit, numbers that are negative or not finite.
    """
    load, capacity, ways = _checked(load, capacity, edges)
    rate, queue = np.asarray(rate, np.float64), np.asarray(queue, np.float64)
    if rate.shape != ways.shape or queue.shape != load.shape:
        raise SchedulerError(f"rate {rate.shape}, queue {queue.shape}: expected {ways.shape} and {load.shape}")
    there = np.ones(len(load), bool) if valid is None else np.asarray(valid, bool)
    moved = np.zeros_like(rate)
    total = capacity[there].sum()
    if total <= EPSILON:
        return moved
    mean = load[there].sum() / total
    quality = np.where(ways, rate / (1.0 + queue), 0.0)
    own, now, link = load.copy(), load.copy(), rate.copy()
    size = np.maximum(capacity, EPSILON)
    gives = there & ways.any(1)
    for _ in range(len(load) ** 2):
        level = np.where(gives & (own > EPSILON), now / size, -1.0)
        i = int(np.argmax(level))
        if level[i] <= (1.0 + imbalance) * mean:
            break
        takes = there & (now < mean * capacity) & (capacity - now > EPSILON) & (link[i] > EPSILON)
        best = np.where(takes, quality[i], 0.0)
        j = int(np.argmax(best))
        amount = min(now[i] - mean * capacity[i], own[i], capacity[j] - now[j], link[i, j])
        if best[j] <= 0.0 or amount <= EPSILON:
            gives[i] = False
            continue
        for change, node in ((-amount, i), (amount, j)):
            now[node] += change
        own[i] -= amount
        link[i, j] -= amount
        moved[i, j] += amount
    return moved


def relieve(load: np.ndarray, capacity: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Transfers of the released balancer: again and again the smaller of excess and room, from the most overloaded
    node to its target with the most room, until no node with too much has a target with room.

    Args and returns as `even_out`; links' rates do not count.

    Raises:
        SchedulerError: as `even_out`.
    """
    load, capacity, ways = _checked(load, capacity, edges)
    moved = np.zeros(ways.shape)
    excess, room = np.maximum(load - capacity, 0.0), np.maximum(capacity - load, 0.0)
    while True:
        i = int(np.argmax(excess))
        if excess[i] <= EPSILON:
            return moved
        free = np.where(ways[i], room, 0.0)
        j = int(np.argmax(free))
        amount = min(excess[i], free[j])
        if amount <= EPSILON:
            excess[i] = 0.0  # what is left stays
            continue
        moved[i, j] += amount
        excess[i] -= amount
        room[j] -= amount


def _checked(load: np.ndarray, capacity: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    load, capacity, ways = np.asarray(load, np.float64), np.asarray(capacity, np.float64), np.asarray(edges, bool)
    n = len(load)
    if load.shape != (n,) or capacity.shape != (n,) or ways.shape != (n, n):
        raise SchedulerError(f"load {load.shape}, capacity {capacity.shape}, edges {ways.shape}: expected N, N, N x N")
    for name, values in (("load", load), ("capacity", capacity)):
        if not np.isfinite(values).all() or (values < 0).any():
            raise SchedulerError(f"{name}: expected finite numbers from 0")
    return load, capacity, ways & ~np.eye(n, dtype=bool)
