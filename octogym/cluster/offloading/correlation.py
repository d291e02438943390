"""The physical view: which camera's crowd reaches which other camera, learned from what was seen."""

from __future__ import annotations

import numpy as np

#: Lags at which demands are compared, in windows (OctoCross specification 1.3: 0 to 30 s).
LAGS = tuple(range(0, 31, 2))
#: Pairs of samples below which nothing is said.
LEAST = 30


class Correlation:
    """Largest Pearson correlation of x_i(t) with x_j(t + lag) over `LAGS`, from running sums since the reset.

    Uses the past of the running episode only, so that nothing of a trace is known before it was seen.
    """

    def __init__(self, num_envs: int, agents: int) -> None:
        E, N, K = num_envs, agents, len(LAGS)
        self._lags = np.array(LAGS)
        self._ring = np.zeros((max(LAGS) + 1, E, N))
        self._seen = np.zeros(E, np.int64)
        self._head = 0
        self._count = np.zeros((E, K))
        # Sums of both and of their squares, [E, 4, K, N], and of their products.
        self._sums = np.zeros((E, 4, K, N))
        self._product = np.zeros((E, K, N, N))

    def reset(self, mask: np.ndarray) -> None:
        """Forget the environments of `mask` bool [E]."""
        for array in (self._seen, self._count, self._sums, self._product):
            array[mask] = 0

    def push(self, x: np.ndarray) -> None:
        """Take one window's demand, float64 [E, N]."""
        self._head = (self._head + 1) % len(self._ring)
        self._ring[self._head] = x
        pairs = (self._seen[:, None] >= self._lags).astype(np.float64)  # [E, K]: whether there was one so long ago
        before = self._ring[self._head - self._lags].transpose(1, 0, 2) * pairs[..., None]
        now = x[:, None, :] * pairs[..., None]
        self._count += pairs
        for part, values in enumerate((before, before * before, now, now * now)):
            self._sums[:, part] += values
        self._product += before[..., :, None] * now[..., None, :]
        self._seen += 1

    def view(self) -> np.ndarray:
        """float64 [E, N, N] in [0, 1], zero diagonal; 0 below `LEAST` pairs."""
        n = np.maximum(self._count, 1.0)[..., None]
        first, first2, second, second2 = (self._sums[:, part] / n for part in range(4))
        spread = np.maximum(first2 - first * first, 0.0)[..., :, None]
        spread = spread * np.maximum(second2 - second * second, 0.0)[..., None, :]
        together = self._product / n[..., None] - first[..., :, None] * second[..., None, :]
        known = (spread > 1e-12) & (self._count >= LEAST)[..., None, None]
        value = np.where(known, together / np.sqrt(np.where(known, spread, 1.0)), 0.0)
        view = np.clip(value.max(1), 0.0, 1.0)
        at = np.arange(view.shape[1])
        view[:, at, at] = 0.0
        return view
