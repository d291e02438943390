"""The most that any offloading could have served on time, by a linear programme that knows every load in advance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from octogym.cluster.errors import MissingExtra
from octogym.scheduler.errors import SchedulerError


class Bound(NamedTuple):
    """Result of `offloading_bound`: T samples of time, N nodes.

    Attributes:
        served: float64 [T, N] objects that were made in that sample at that node and are served on time, anywhere.
        offloaded: float64 [T, N] those of them that are served elsewhere.
        total: all that are served, each counted with its worth.
        share: `total` / all that were made; 1 if there were none.
    """

    served: np.ndarray
    offloaded: np.ndarray
    total: float
    share: float


def offloading_bound(
    loads: np.ndarray,
    capacity: np.ndarray,
    edges: np.ndarray,
    late: float = 0.2,
    up: np.ndarray | None = None,
    down: np.ndarray | None = None,
    move_cost: float = 1e-4,
    worth: np.ndarray | None = None,
) -> Bound:
    """Upper bound on what is served on time, with perfect knowledge, fractions of objects and no queueing.

    Maximise served - ``move_cost`` x offloaded, where each sample's objects are served at their node or along an edge.
    What arrives in a sample may be finished in the first ``late`` of the next one and be on time still, so a node takes
    at most its capacity, plus what it carries over (at most ``late`` x its next capacity, which that sample then
    lacks). A link passes at most its rate, plus ``late`` of the next sample's. So nothing that a real system does is
    excluded, if ``capacity`` is the highest rate of each node.

    Args:
        loads: [T, N] objects made at each node in each sample of time.
        capacity: [N] or [T, N] objects that each node can serve in one sample, 0 while it is not there.
        edges: bool [N, N] or [T, N, N]: i may send to j. The diagonal is ignored: own objects may always stay.
        late: the latency limit (SLO) as a part of one sample, in [0, 1]: 0.2 for 200 ms at one sample per second.
        up, down: [N] or [T, N] objects that each node's link can send and receive in one sample; None: no limit.
        move_cost: of one object served elsewhere, in [0, 1), as a part of its worth. Below 1 / N it lowers no total; at
            0 `offloaded` may hold moves that serve nothing.
        worth: [N] of one object made at each node: what is maximised, and counted in `Bound.total` and `Bound.share`;
            None: 1 each.

    Raises:
        MissingExtra: SciPy is not installed.
        SchedulerError: shapes or values that are not allowed.
        RuntimeError: the solver gave up; its message.
    """
    try:
        from scipy.optimize import linprog
        from scipy.sparse import coo_array
    except ImportError as error:
        raise MissingExtra("bench", "scipy") from error
    y = _checked("loads", loads, None)
    steps, nodes = y.shape
    room = _checked("capacity", capacity, y.shape)
    if not 0 <= late <= 1:
        raise SchedulerError(f"late = {late}: expected a number from 0 to 1")
    if not 0 <= move_cost < 1:
        raise SchedulerError(f"move_cost = {move_cost}: expected a number from 0, below 1")
    if np.shape(edges)[-2:] != (nodes, nodes):
        raise SchedulerError(f"edges {np.shape(edges)}: expected [N, N] or [T, N, N] with N = {nodes}")
    # One variable per transfer that can carry anything, then one per (sample, node) for what is carried over.
    way = np.broadcast_to(np.asarray(edges, bool), (steps, nodes, nodes)) | np.eye(nodes, dtype=bool)
    t, i, j = np.nonzero(way & (y > 0)[:, :, None])
    away = i != j
    flows, cells = len(t), steps * nodes
    source, target = t * nodes + i, t * nodes + j
    carry = flows + np.arange(cells)
    after = np.vstack([room[1:], room[-1:]])  # past the end nothing is known: the last capacity stands for it
    columns = flows + cells
    value = np.ones(nodes) if worth is None else _checked("worth", worth, (1, nodes))[0]
    values = np.concatenate([(1.0 - move_cost * away) * value[i], np.zeros(cells)])
    rows, limits = _Rows(), []

    rows.block(source, np.arange(flows), 1.0)  # no more than was made
    limits.append(y.ravel())
    rows.next_block(cells)
    rows.block(target, np.arange(flows), 1.0)  # no more than is served now or carried, less what was carried here
    rows.block(np.arange(cells), carry, -1.0)
    rows.block(np.arange(nodes, cells), carry[:-nodes], 1.0)
    limits.append(room.ravel())
    rows.next_block(cells)
    rows.block(np.arange(cells), carry, 1.0)  # only what has come in this sample is carried
    rows.block(target, np.arange(flows), -1.0)
    limits.append(np.zeros(cells))
    rows.next_block(cells)
    for name, rate, end in (("up", up, source), ("down", down, target)):
        if rate is not None:
            link = _checked(name, rate, y.shape)
            rows.block(end[away], np.flatnonzero(away), 1.0)
            limits.append((link + late * np.vstack([link[1:], link[-1:]])).ravel())
            rows.next_block(cells)
    matrix = coo_array(rows.triplets(), shape=(rows.first, columns)).tocsr()
    most = np.concatenate([np.full(flows, np.inf), (late * after).ravel()])
    result = linprog(
        -values, A_ub=matrix, b_ub=np.concatenate(limits), bounds=np.stack([np.zeros(columns), most], 1), method="highs"
    )
    if result.status != 0:
        raise RuntimeError(f"the linear programme was not solved: {result.message}")
    x = result.x[:flows]
    served = np.bincount(source, x, cells).reshape(y.shape)
    offloaded = np.bincount(source[away], x[away], cells).reshape(y.shape)
    made, total = float((y @ value).sum()), float((served @ value).sum())
    return Bound(served, offloaded, total, total / made if made > 0 else 1.0)


class _Rows:
    """Entries of a sparse matrix, block of rows by block of rows."""

    def __init__(self) -> None:
        self.first = 0
        self._entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def block(self, row: np.ndarray, column: np.ndarray, value: float) -> None:
        self._entries.append((row + self.first, column, np.full(len(row), value)))

    def next_block(self, count: int) -> None:
        self.first += count

    def triplets(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        row, column, value = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        return value, (row, column)


def _checked(name: str, values: Any, shape: tuple[int, ...] | None) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if shape is None:
        if array.ndim != 2 or not array.size:
            raise SchedulerError(f"{name} {array.shape}: expected [T, N]")
    elif array.shape not in (shape, shape[1:]):
        raise SchedulerError(f"{name} {array.shape}: expected {shape} or {shape[1:]}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise SchedulerError(f"{name}: expected finite numbers from 0")
    return array if shape is None else np.broadcast_to(array, shape)
