"""From wishes to shares, and from shares to the thousandths of a decision."""

from __future__ import annotations

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout


def shares(weight: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """float64, as `weight` and `valid` [..., T]: invalid targets get 0, the others their part of the sum; all to the
    own device (place 0) if nothing is left."""
    kept = np.where(valid, weight, 0.0)
    total = kept.sum(-1, keepdims=True)
    # A sum so small that dividing by it would overflow counts as nothing.
    some = total > 1e-12
    local = np.zeros(weight.shape[-1])
    local[0] = 1.0
    return np.where(some, kept / np.where(some, total, 1.0), local)


def largest_remainder(parts: np.ndarray, total: int = 1000) -> np.ndarray:
    """int64, as `parts` [..., W], which sum to 1 or 0: whole numbers that sum to `total` or 0, each within 1 of its
    part; what rounding down leaves goes to the largest remainders, equal ones to the lower index. 0 stays 0."""
    exact = parts * total
    floor = np.floor(exact + 1e-9)
    left = np.where(parts.sum(-1) > 0, total, 0) - floor.sum(-1)
    order = np.argsort(np.where(parts > 0, floor - exact, 2.0), axis=-1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(parts.shape[-1]), parts.shape), -1)
    return (floor + (rank < left[..., None])).astype(np.int64)


class RouteShares:
    """Which targets are there, and the thousandths of every route.

    A target counts if its device is present and the agent has a route to an active instance on it. Several such
    instances on one device share its part evenly. A group that none of the agent's wishes reaches sends everything
    over its first route.
    """

    def __init__(self, layout: OffloadLayout) -> None:
        self._layout, cluster = layout, layout.cluster
        route = layout.route
        self._there = route >= 0
        self._target = np.array([r.target for r in cluster.routes], np.int64)[route]
        self._device = np.array([i.device for i in cluster.instances], np.int64)[self._target]
        # One number per (agent, place) and per (group, place).
        place = np.where(self._there, layout.slot, 0)
        self._owner = layout.group_agent[:, None]
        self._place = place
        self._cell = self._owner * layout.T + place
        self._group_cell = np.arange(len(place))[:, None] * layout.T + place
        self._per_agent = np.bincount(layout.group_agent, minlength=layout.N)

    def usable(self, present: np.ndarray, active: np.ndarray) -> np.ndarray:
        """bool [E, G, W]: routes whose target is there. `present` [E, D], `active` [E, S]."""
        return (present[:, self._device] > 0) & (active[:, self._target] > 0) & self._there

    def valid(self, usable: np.ndarray) -> np.ndarray:
        """bool [E, N, T]: targets that an agent can use."""
        layout, E = self._layout, len(usable)
        return self._per_place(usable.astype(np.float64)).reshape(E, layout.N, layout.T) > 0

    def milli(self, weight: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """int64 [E, len(layout.owned)]: thousandths of the agents' routes, in the order of `layout.owned`.
        `weight` float64 [E, N, T]."""
        layout, E = self._layout, len(weight)
        wish = np.where(usable, weight[:, self._owner, self._place], 0.0)
        # Replicas on one device share what it gets.
        count = self._sums(usable.astype(np.float64), self._group_cell, layout.route.shape[0] * layout.T)
        wish = wish / np.maximum(count[:, self._group_cell], 1.0)
        total = wish.sum(-1, keepdims=True)
        some = total > 1e-12
        parts = np.where(some, wish / np.where(some, total, 1.0), 0.0)
        out = np.zeros((E, layout.cluster.R + 1), np.int64)
        out[:, layout.route.ravel()] = largest_remainder(parts).reshape(E, -1)
        out[:, layout.first] = np.where(some[..., 0], out[:, layout.first], 1000)
        return out[:, layout.owned]

    def in_force(self, share_milli: np.ndarray) -> np.ndarray:
        """float64 [E, N, T]: part of an agent's crops that goes to each target, the mean over its groups; from
        telemetry's [E, R]."""
        layout = self._layout
        cells = np.where(self._there, share_milli[:, layout.route] / 1000.0, 0.0)
        return self._per_place(cells).reshape(-1, layout.N, layout.T) / self._per_agent[:, None]

    def _per_place(self, cells: np.ndarray) -> np.ndarray:
        """float64 [E, N * T]: [E, G, W] summed by agent and place."""
        return self._sums(cells, self._cell, self._layout.N * self._layout.T)

    def _sums(self, cells: np.ndarray, where: np.ndarray, size: int) -> np.ndarray:
        """float64 [E, size]: [E, G, W] summed by `where` [G, W]."""
        E = len(cells)
        index = np.arange(E)[:, None] * size + where.ravel()
        flat = np.bincount(index.ravel(), cells.ravel(), E * size)
        return flat.reshape(E, size)
