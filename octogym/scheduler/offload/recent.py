"""The physical view of large clusters: lagged correlations of the last minutes, a lag per second."""

from __future__ import annotations

import numpy as np

from octogym.cluster.offloading.correlation import LAGS, LEAST

#: Samples that are compared.
SPAN = 180


class RecentCorrelation:
    """Largest Pearson correlation of x_i(t) with x_j(t + lag) over `LAGS` and the last `SPAN` samples, one cluster.

    `octogym.cluster.offloading.correlation` keeps sums of all pairs at all lags, which is too much work in every second
    for many nodes. This one works through one lag per sample and renews its view when it has been through all.
    """

    def __init__(self, nodes: int) -> None:
        self._x = np.zeros((SPAN, nodes), np.float32)
        self._seen = 0
        self._lag = 0
        self._next = np.zeros((nodes, nodes), np.float32)
        self._view = np.zeros((nodes, nodes), np.float32)

    def push(self, x: np.ndarray) -> None:
        """Take one sample [1, N]."""
        self._x[:-1] = self._x[1:]
        self._x[-1] = x[0]
        self._seen = min(self._seen + 1, SPAN)
        lag = LAGS[self._lag]
        if self._seen - lag >= LEAST:
            known = self._x[SPAN - self._seen :]
            first, later = _standard(known[: len(known) - lag]), _standard(known[lag:])
            np.maximum(self._next, first.T @ later, out=self._next)
        self._lag += 1
        if self._lag == len(LAGS):
            np.fill_diagonal(self._next, 0.0)
            self._view = np.minimum(self._next, 1.0)
            self._next = np.zeros_like(self._next)
            self._lag = 0

    def view(self) -> np.ndarray:
        """float32 [1, N, N] in [0, 1], zero diagonal."""
        return self._view[None]


def _standard(x: np.ndarray) -> np.ndarray:
    """Columns less their mean, of length 1; 0 where a column never changes."""
    centred = x - x.mean(0)
    norm = np.sqrt((centred * centred).sum(0))
    changes = norm > 1e-4
    return centred / np.where(changes, norm, 1.0) * changes
