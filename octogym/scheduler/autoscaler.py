"""OctopInf's autoscaler: replicas between two schedules (fcpo spec 8.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octogym.scheduler.estimate import REMOVE, covers
from octogym.scheduler.layout import Layout
from octogym.scheduler.pools import Pool

#: Seconds between two looks, and at least between two additions and two removals of one model's replicas.
EVERY_S, UP_S, DOWN_S = 30.0, 150.0, 240.0


class Autoscaler:
    """Adds and removes replicas of pools, one at a time."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pools: Sequence[Pool] = ()
        self._up: dict[int, float] = {}
        self._down: dict[int, float] = {}

    def adopt(self, pools: Sequence[Pool]) -> None:
        """New pools from a new schedule; when replicas of whom were changed last is forgotten."""
        self._pools, self._up, self._down = pools, {}, {}

    def look(self, now_s: float, rates: np.ndarray) -> bool:
        """Whether any replica was added or removed; the pools' `active` says which.

        Args:
            now_s: time.
            rates: float64 [S], the largest of the mean arrivals over 15, 30 and 60 s.
        """
        changed = False
        for k, pool in enumerate(self._pools):
            rate = float(rates[pool.active].sum())
            n, model = len(pool.active), pool.model
            if not covers(model.profile, model.batch, n, rate):
                if n < model.most and now_s - self._up.get(k, -np.inf) >= UP_S:
                    pool.active.append(self._next(pool))
                    self._up[k], changed = now_s, True
            elif n > 1 and covers(model.profile, model.batch, n - 1, rate, REMOVE):
                idle = self._spare(pool)
                if idle is not None and now_s - self._down.get(k, -np.inf) >= DOWN_S:
                    pool.active.remove(idle)
                    self._down[k], changed = now_s, True
        return changed

    def _next(self, pool: Pool) -> int:
        """The idle instance whose GPU has the fewest active ones."""
        instances = self._layout.cluster.instances
        busy = [instances[i].gpu for other in self._pools for i in other.active]
        idle = [i for i in pool.model.slots if i not in pool.active]
        return min(idle, key=lambda i: (busy.count(instances[i].gpu), i))

    def _spare(self, pool: Pool) -> int | None:
        """The instance added last that no member is alone with."""
        alone = {used[0] for used in map(pool.used_by, pool.members) if len(used) == 1}
        return next((i for i in reversed(pool.active) if i not in alone), None)
