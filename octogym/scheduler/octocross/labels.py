"""Labels from measured loads: balanced loads and the transfers that lead to them (OctoCross section 3.3).

The published system gives its labels as files, not the rule that made them. The rule here was recovered from them: it
yields every row of `gt_campus.csv` whose link rates are at hand.
"""

from __future__ import annotations

import numpy as np

from octogym.scheduler.errors import SchedulerError

#: Objects per sampled frame that a device takes, where nothing else is known (OctoCross's released threshold).
CAPACITY = 10.0


def balanced_loads(
    loads: np.ndarray, link_rates: np.ndarray, capacity: np.ndarray | float = CAPACITY, allow_excess: bool = False
) -> np.ndarray:
    """Loads after the ideal rebalancing by which the published labels were made.

    What nodes have above their capacity is pooled and fills the other nodes up to theirs, fastest link first, equal
    links in the order of the nodes. Who may send to whom is ignored; totals are conserved.

    Args:
        loads: [..., N] objects per frame, not negative.
        link_rates: [..., N] rates of the nodes' links in any unit; broadcasts against ``loads``.
        capacity: objects per frame, for all nodes or [..., N].
        allow_excess: where the nodes together have more than all can take, the rest stays, in proportion, with those
            that had too much; else such loads are refused.

    Returns:
        float64 [..., N].

    Raises:
        SchedulerError: a load, rate or capacity that is negative or no number; a total that does not fit.
    """
    x = _numbers("loads", loads)
    limit = np.broadcast_to(_numbers("capacity", capacity), x.shape)
    rates = np.broadcast_to(_numbers("link_rates", link_rates), x.shape)
    surplus = np.maximum(x - limit, 0.0)
    pool = surplus.sum(-1, keepdims=True)
    # A stable sort of the negated rates: fastest first, ties by index.
    order = np.argsort(-rates, axis=-1, kind="stable")
    room = np.take_along_axis(np.maximum(limit - x, 0.0), order, -1)
    before = np.cumsum(room, -1) - room
    filled = np.clip(pool - before, 0.0, room)
    added = np.empty_like(filled)
    np.put_along_axis(added, order, filled, -1)
    left = np.maximum(pool - room.sum(-1, keepdims=True), 0.0)
    if left.any() and not allow_excess:
        raise SchedulerError(
            f"loads: a total of {x.sum(-1).max():g} does not fit into the nodes' capacity: allow_excess=True, or less"
        )
    kept = surplus * np.divide(left, pool, out=np.zeros_like(pool), where=pool > 0)
    return np.minimum(x, limit) + added + kept


def transfers(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Transfers that turn one load vector into another of the same sum: the released two-pointer matching.

    Nodes with too much and nodes with too little are walked in the order of their indices; each pair moves the smaller
    of the two differences.

    Args:
        before, after: [N] objects per frame.

    Returns:
        float64 [N, N], entry (i, j) moved from i to j.

    Raises:
        SchedulerError: sums that differ, or vectors of different lengths.
    """
    x, y = _numbers("before", before), _numbers("after", after)
    if x.shape != y.shape or x.ndim != 1:
        raise SchedulerError(f"before {x.shape}, after {y.shape}: expected two vectors of one length")
    if not np.isclose(x.sum(), y.sum()):
        raise SchedulerError(f"after: sum {y.sum():g}, expected that of before, {x.sum():g}")
    moved = np.zeros((len(x), len(x)))
    give, take = np.maximum(x - y, 0.0), np.maximum(y - x, 0.0)
    # Each transfer is where two intervals overlap: giver i's share of the whole flow, and taker j's.
    give_end, take_end = np.cumsum(give), np.cumsum(take)
    start = np.maximum((give_end - give)[:, None], (take_end - take)[None, :])
    np.maximum(np.minimum(give_end[:, None], take_end[None, :]) - start, 0.0, out=moved)
    return moved


def share_labels(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Target shares M*, float64 [N, N], of `transfers`: rows sum to 1, the diagonal is what stays."""
    x = _numbers("before", before)
    moved = transfers(before, after)
    shares = np.divide(moved, x[:, None], out=np.zeros_like(moved), where=x[:, None] > 0)
    np.fill_diagonal(shares, 0.0)
    np.fill_diagonal(shares, 1.0 - shares.sum(1))
    return shares


def _numbers(name: str, values: np.ndarray | float) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all() or (array < 0).any():
        raise SchedulerError(f"{name}: expected finite numbers from 0")
    return array
