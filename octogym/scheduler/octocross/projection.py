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
    scores, load = np.asarray(scores, np.float64), np.asarray(load, np.float64)
    capacity = np.broadcast_to(np.asarray(capacity, np.float64), load.shape)
    shape = (*load.shape, load.shape[-1])
    if scores.shape != shape or np.shape(edges) != shape:
        raise SchedulerError(f"scores {scores.shape}, edges {np.shape(edges)}: expected {shape} for load {load.shape}")
    for name, values, least in (("scores", scores, -np.inf), ("load", load, 0.0), ("capacity", capacity, 0.0)):
        if not np.isfinite(values).all() or (values < least).any():
            raise SchedulerError(f"{name}: expected finite numbers" + (" from 0" if least == 0.0 else ""))
    open_edges = np.asarray(edges, bool) & ~np.eye(load.shape[-1], dtype=bool)
    is_server = np.zeros(load.shape, bool) if servers is None else np.broadcast_to(servers, load.shape)
    surplus = np.maximum(load - capacity, 0.0)
    room = limits.beta * np.maximum(capacity - load, 0.0)
    moved = np.zeros_like(scores)
    for target in (~is_server, is_server):
        cap = np.where(open_edges & target[..., None, :], limits.theta * load[..., :, None], 0.0)
        moved = _fill(moved, scores, surplus, room, cap, limits)
    return moved


def shares(moved: np.ndarray, load: np.ndarray, least_share: float = 0.0) -> np.ndarray:
    """Shares M, float64 [..., N, N], of transfers: M_ij = T_ij / load_i, what stays on the diagonal; rows sum to 1.

    Args:
        least_share: smaller ones stay at home.
    """
    moved, load = np.asarray(moved, np.float64), np.asarray(load, np.float64)[..., None]
    sent = np.divide(moved, load, out=np.zeros_like(moved), where=load > EPSILON)
    sent = np.where(sent < least_share, 0.0, sent)
    return sent + np.eye(moved.shape[-1]) * (1.0 - sent.sum(-1, keepdims=True))


def thousandths(matrix: np.ndarray) -> np.ndarray:
    """Shares M as int64 [..., N, N] thousandths that sum to 1000; what leaves is rounded down: no limit is passed."""
    count = matrix.shape[-1]
    sent = np.floor(np.asarray(matrix) * 1000 + EPSILON).astype(np.int64) * ~np.eye(count, dtype=bool)
    return sent + np.eye(count, dtype=np.int64) * (1000 - sent.sum(-1, keepdims=True))


def _fill(
    moved: np.ndarray, scores: np.ndarray, surplus: np.ndarray, room: np.ndarray, cap: np.ndarray, limits: Limits
) -> np.ndarray:
    """``moved`` [..., N, N] and what further rounds of offers add to it."""
    going = np.ones((*surplus.shape[:-1], 1, 1), bool)
    base = moved
    for _ in range(limits.rounds):
        left = surplus - moved.sum(-1)
        free = room - moved.sum(-2)
        here = moved - base
        is_open = (cap - here > EPSILON) & (left > EPSILON)[..., None] & (free > EPSILON)[..., None, :] & going
        if not is_open.any():
            break
        masked = np.where(is_open, scores, CLOSED)
        weight = np.exp(masked - masked.max(-1, keepdims=True)) * is_open
        part = weight / np.maximum(weight.sum(-1, keepdims=True), EPSILON)
        offer = np.minimum(np.maximum(left, 0.0)[..., None] * part, np.maximum(cap - here, 0.0))
        fits = np.minimum(1.0, np.maximum(free, 0.0) / np.maximum(offer.sum(-2), EPSILON))
        added = offer * fits[..., None, :]
        moved = moved + added
        going = going & (added.sum((-1, -2), keepdims=True) >= limits.least_added)
    return moved
