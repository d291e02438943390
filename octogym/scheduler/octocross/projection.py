"""From scores to transfers within everyone's limits: water-filling in rounds (OctoCross section 3.1, its "projection").

The released projection scales once and loses what a full target rejects. Here that is offered again, round by round, to
the targets that still have room, and at the end to the servers. `projection_torch` is the same for training.
"""

from __future__ import annotations

import numpy as np

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import Limits

#: Surplus and room below this count as none, objects per frame.
EPSILON = 1e-6
#: Score of a target that is closed: far below any score, but finite, so that a row without targets gives no NaN.
CLOSED = -1e9
#: Decisions hold for about so many samples (one per second).
DECISION_SAMPLES = 15


def expected_load(load: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Load to plan for, [..., N]: the larger of the present one and the mean forecast over the decision's life.

    Args:
        load: [..., N] objects per frame now.
        forecast: [..., N, Q] objects per frame of the next samples.
    """
    mean: np.ndarray = np.asarray(forecast)[..., :DECISION_SAMPLES].mean(-1)
    return np.maximum(load, mean)


def project(
    scores: np.ndarray,
    load: np.ndarray,
    capacity: np.ndarray,
    edges: np.ndarray,
    servers: np.ndarray | None = None,
    limits: Limits | None = None,
) -> np.ndarray:
    """Transfers within the limits, for one cluster or a batch.

    For all i, j: rows sum to at most what i has above its capacity, columns to at most ``beta`` of what j has free,
    T_ij <= ``theta`` x load_i, and 0 where there is no edge. Servers get only what no device takes.

    Args:
        scores: [..., N, N], larger is better; only differences within a row count.
        load: [..., N] objects per frame, not negative.
        capacity: [..., N] objects per frame.
        edges: bool [..., N, N]: i may send to j. Leave a missing node's row and column False. The diagonal is ignored.
        servers: bool [..., N]; None: there are none.
        limits: None: the defaults.

    Returns:
        float64 [..., N, N] objects per frame that leave i for j.

    Raises:
        SchedulerError: shapes that do not fit, numbers that are not finite or negative loads or capacities.
    """
    limits = limits or Limits()
    scores, load = np.asarray(scores), np.asarray(load, np.float64)
    capacity = np.broadcast_to(np.asarray(capacity, np.float64), load.shape)
    shape = (*load.shape, load.shape[-1])
    if scores.shape != shape or np.shape(edges) != shape:
        raise SchedulerError(f"scores {scores.shape}, edges {np.shape(edges)}: expected {shape} for load {load.shape}")
    if not np.isfinite(scores).all():
        raise SchedulerError("scores: expected finite numbers")
    for name, values in (("load", load), ("capacity", capacity)):
        if not np.isfinite(values).all() or (values < 0.0).any():
            raise SchedulerError(f"{name}: expected finite numbers from 0")
    surplus = np.maximum(load - capacity, 0.0)
    room = limits.beta * np.maximum(capacity - load, 0.0)
    # Only edges from a node with surplus to one with room can carry anything: a few of the N x N.
    can = np.logical_and(edges, (surplus > EPSILON)[..., :, None])
    can &= (room > EPSILON)[..., None, :]
    diagonal = np.arange(load.shape[-1])
    can[..., diagonal, diagonal] = False
    edge = np.flatnonzero(can)
    moved = np.zeros(shape)
    if len(edge):
        is_server = np.zeros(load.shape, bool) if servers is None else np.broadcast_to(servers, load.shape)
        offers = _Offers(edge, scores.ravel()[edge].astype(np.float64), load, surplus, room, limits)
        to_server = is_server.ravel()[offers.target]
        moved.ravel()[edge] = offers.run(~to_server) + offers.run(to_server)
    return moved


def shares(moved: np.ndarray, load: np.ndarray, least_share: float = 0.0) -> np.ndarray:
    """Shares M, float64 [..., N, N], of transfers: M_ij = T_ij / load_i, what stays on the diagonal; rows sum to 1.

    Args:
        least_share: smaller ones stay at home.
    """
    moved, load = np.asarray(moved, np.float64), np.asarray(load, np.float64)
    matrix: np.ndarray = np.zeros(moved.shape)
    at = np.nonzero(moved)
    of_row = load[at[:-1]]
    part = np.divide(moved[at], of_row, out=np.zeros_like(of_row), where=of_row > EPSILON)
    matrix[at] = np.where(part < least_share, 0.0, part)
    diagonal = np.arange(matrix.shape[-1])
    matrix[..., diagonal, diagonal] += 1.0 - matrix.sum(-1)
    return matrix


def thousandths(matrix: np.ndarray) -> np.ndarray:
    """Shares M as int64 [..., N, N] thousandths that sum to 1000; what leaves is rounded down: no limit is passed."""
    sent: np.ndarray = np.floor(np.asarray(matrix) * 1000 + EPSILON).astype(np.int64)
    diagonal = np.arange(sent.shape[-1])
    sent[..., diagonal, diagonal] = 0
    sent[..., diagonal, diagonal] = 1000 - sent.sum(-1)
    return sent


class _Offers:
    """Rounds of offers over a list of edges.

    Args:
        edge: places of the edges in the flat [..., N, N], ascending. score: of each edge.
        load, surplus, room: [..., N].
    """

    def __init__(
        self,
        edge: np.ndarray,
        score: np.ndarray,
        load: np.ndarray,
        surplus: np.ndarray,
        room: np.ndarray,
        limits: Limits,
    ) -> None:
        count = load.shape[-1]
        source = edge // count
        self._batch = source // count
        #: Flat [..., N] place of each edge's target.
        self.target = self._batch * count + edge % count
        # Edges of one source lie together: `first` of each, `which` of them an edge belongs to.
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        self._first, self._which = starts, np.cumsum(np.diff(source, prepend=source[0]) > 0)
        self._left, self._free = surplus.ravel()[source[starts]], room.ravel().copy()
        self._most, self._score, self._limits = limits.theta * load.ravel()[source], score, limits

    def run(self, wanted: np.ndarray) -> np.ndarray:
        """What the ``wanted`` edges carry, [edges], after what earlier runs have moved."""
        limits, which, target = self._limits, self._which, self.target
        moved = np.zeros(len(target))
        going = wanted.copy()
        for _ in range(limits.rounds):
            is_open = going & (self._most - moved > EPSILON)
            is_open &= (self._left > EPSILON)[which]
            is_open &= (self._free > EPSILON)[target]
            if not is_open.any():
                break
            masked = np.where(is_open, self._score, CLOSED)
            weight = np.exp(masked - np.maximum.reduceat(masked, self._first)[which]) * is_open
            total = np.maximum(np.add.reduceat(weight, self._first), EPSILON)
            offer = np.minimum(
                (np.maximum(self._left, 0.0) / total)[which] * weight, np.maximum(self._most - moved, 0.0)
            )
            size = len(self._free)
            asked = np.maximum(np.bincount(target, offer, size), EPSILON)
            added = offer * np.minimum(1.0, np.maximum(self._free, 0.0) / asked)[target]
            moved += added
            self._left -= np.add.reduceat(added, self._first)
            self._free -= np.bincount(target, added, size)
            going &= (np.bincount(self._batch, added) >= limits.least_added)[self._batch]
        return moved
