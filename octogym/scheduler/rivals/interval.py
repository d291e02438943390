"""The linear programme of one interval: shares that serve best what is known to come."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from octogym.cluster.errors import MissingExtra
from octogym.scheduler.errors import SchedulerError

#: (part of what a node or link can do in a second, price of one object above it). Below the last one nothing is lost;
#: it keeps waiting short.
LEVELS = ((0.4, 0.01), (0.6, 0.03), (0.75, 0.1), (0.85, 0.3), (0.92, 0.6), (1.0, 2.0))
#: What is too much makes everything late that waits behind it: the last price is times what the node or link can do, in
#: units of a node's mean capacity, within these limits. So what fits nowhere goes where least is spoiled.
SPOILS = (0.05, 2.0)
#: Price of one object that is moved.
MOVE = 0.005


class Interval(NamedTuple):
    """T seconds of N cameras' devices among M nodes, which come first.

    Attributes:
        demand: [T, N] objects/s made at the cameras' devices.
        capacity: [T, M] objects/s, 0 while a node is not there; what is meant for it then stays at home.
        edges: bool [M, M]: i may send to j; own objects may always stay.
        up, down: [T, M] objects/s that the nodes' links carry.
        backlog: [M] objects that wait at the start.
    """

    demand: np.ndarray
    capacity: np.ndarray
    edges: np.ndarray
    up: np.ndarray
    down: np.ndarray
    backlog: np.ndarray


def best_shares(interval: Interval) -> np.ndarray:
    """Shares, float64 [M, M], constant over the interval, with the least above what nodes and links can do in each
    second, then with the least load on those that are busy (`LEVELS`, `SPOILS`), then with the fewest moves.

    Solved with HiGHS. Neither theta nor beta limits it, and demand is what will really come.

    Raises:
        MissingExtra: SciPy is not installed.
        SchedulerError: shapes that do not fit, or numbers that are negative or not finite.
        RuntimeError: the solver gave up; its message.
    """
    try:
        from scipy.optimize import linprog
        from scipy.sparse import coo_array
    except ImportError as error:
        raise MissingExtra("bench", "scipy") from error
    demand, capacity, edges, up, down, _ = given = _checked(interval)
    steps, agents = demand.shape
    nodes = capacity.shape[1]
    ways = edges[:agents].copy()
    ways[np.arange(agents), np.arange(agents)] = True
    i, j = np.nonzero(ways)
    away, count = i != j, len(i)

    # One row per node, uplink and downlink and second: what the shares bring there, and what it can do.
    seconds = np.arange(steps)[:, None]
    column = np.arange(count)
    # What is meant for a node that is not there stays at home meanwhile.
    there = capacity[:, j] > 0
    rows = [seconds * nodes + np.where(there, j, i), seconds * nodes + i[away], seconds * nodes + j[away]]
    columns = [column, column[away], column[away]]
    brought, limits = [], [_after_backlog(given), up, down]
    for part in range(3):
        values = demand[:, i[columns[part]]] * (there[:, columns[part]] if part else 1.0)
        at = (rows[part].ravel(), np.broadcast_to(columns[part], values.shape).ravel())
        brought.append(coo_array((values.ravel(), at), shape=(steps * nodes, count)).tocsr())
    usual = capacity[capacity > 0].mean() if capacity.any() else 1.0
    use, limit, prices = [], [], []
    for matrix, most in zip(brought, limits, strict=True):
        most, largest = most.ravel(), matrix.sum(1)
        spoils = np.clip(most / usual, *SPOILS)
        for level, price in LEVELS:
            kept = np.flatnonzero(largest > level * most)
            use.append(matrix[kept])
            limit.append(level * most[kept])
            prices.append(price * spoils[kept] if level == 1.0 else np.full(len(kept), price))
    result = _solve(linprog, use, np.concatenate(limit), np.concatenate(prices), i, MOVE * away * demand.sum(0)[i])
    shares = np.eye(nodes)
    shares[:agents] = 0.0
    shares[i, j] = np.clip(result, 0.0, 1.0)
    shares[:agents] /= shares[:agents].sum(1, keepdims=True)
    return shares


def _solve(
    linprog: object, use: list, limit: np.ndarray, prices: np.ndarray, source: np.ndarray, move: np.ndarray
) -> np.ndarray:
    """Shares per way that keep the price of what is above the limits, and of moves, lowest."""
    from scipy.sparse import coo_array, hstack, identity, vstack

    count, over = len(source), len(limit)
    rows = coo_array((np.ones(count), (source, np.arange(count))), shape=(int(source.max()) + 1, count))
    result = linprog(  # type: ignore[operator]
        np.concatenate([move, prices]),
        A_ub=hstack([vstack(use), -identity(over)]).tocsr() if over else None,
        b_ub=limit if over else None,
        A_eq=hstack([rows, coo_array((rows.shape[0], over))]).tocsr(),
        b_eq=np.ones(rows.shape[0]),
        bounds=(0, None),
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(f"the linear programme was not solved: {result.message}")
    shares: np.ndarray = result.x[:count]
    return shares


def _after_backlog(interval: Interval) -> np.ndarray:
    """float64 [T, M]: capacity that what waits at the start leaves, first come first served."""
    done = np.minimum(np.cumsum(interval.capacity, 0), interval.backlog)
    return interval.capacity - np.diff(done, axis=0, prepend=0.0)


def _checked(interval: Interval) -> Interval:
    arrays = [np.asarray(x, bool if name == "edges" else np.float64) for name, x in interval._asdict().items()]
    given = Interval(*arrays)
    steps, agents = given.demand.shape if given.demand.ndim == 2 else (0, 0)
    nodes = len(given.backlog)
    if not steps or not 1 <= agents <= nodes:
        raise SchedulerError(f"demand {given.demand.shape}: expected [T, N] with N from 1 to the {nodes} nodes")
    wanted = {"capacity": (steps, nodes), "edges": (nodes, nodes), "up": (steps, nodes), "down": (steps, nodes)}
    for name, shape in wanted.items():
        if getattr(given, name).shape != shape:
            raise SchedulerError(f"{name} {getattr(given, name).shape}: expected {shape}")
    for name in ("demand", "capacity", "up", "down", "backlog"):
        values = getattr(given, name)
        if not np.isfinite(values).all() or (values < 0).any():
            raise SchedulerError(f"{name}: expected finite numbers from 0")
    return given
