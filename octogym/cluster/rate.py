"""The request rate that FCPO's agents see (specs: code of FCPO, container agent; docs/contract.md 3)."""

from __future__ import annotations

from typing import Optional

import numpy as np

#: The reported rate is the plain mean of the mean rates over these spans.
SPANS_S = (1, 3, 7, 15, 30, 60)


class RateMeter:
    """Six-window average of arrivals, for E environments of S instances.

    The rate is the mean of the six mean rates over the last 1, 3, 7, 15, 30 and 60 s (each span rounded up to whole
    windows), renewed every window. Before a span has passed its mean is over what has passed; before the first window
    it is 0.
    """

    def __init__(self, num_envs: int, instances: int, period_ns: int = 1_000_000_000) -> None:
        self._period_s = period_ns / 1e9
        self._spans = [max(1, -(-span * 1_000_000_000 // period_ns)) for span in SPANS_S]
        self._length = max(self._spans) + 1
        # Cumulative arrivals at the ends of the last windows; a span's arrivals are one subtraction.
        self._total = np.zeros((self._length, num_envs, instances), np.int64)
        self._passed = np.zeros(num_envs, np.int64)
        self._head = 0

    def reset(self, mask: Optional[np.ndarray] = None) -> None:
        """Forget what came, in the environments of mask bool [E] (all if None)."""
        rows = slice(None) if mask is None else mask
        self._total[:, rows] = 0
        self._passed[rows] = 0

    def push(self, arrived: np.ndarray) -> np.ndarray:
        """Add one window's arrivals, int [E, S]; returns the rate after it in requests/s, float64 [E, S]."""
        before = self._total[self._head]
        self._head = (self._head + 1) % self._length
        now = self._total[self._head]
        np.add(before, arrived, out=now)
        self._passed += 1
        rate = np.zeros(now.shape)
        for span in self._spans:
            windows = np.minimum(self._passed, span)[:, None]
            rate += (now - self._total[self._head - span]) / windows
        return rate / (len(self._spans) * self._period_s)
