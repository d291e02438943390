"""How much an experience adds to those kept (Eq. 6): mean Mahalanobis distance of states and mean KL divergence of
policies."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

#: Added to the diagonal of the states' covariance; some state entries never vary.
SHRINKAGE = 1e-6


class Diversity:
    """Scores against C kept experiences in each of N rows: alpha x mean_i MD(s, s_i) + beta x mean_i sum over heads of
    KL(pi || pi_i).

    `states` float64 [N, C, state] and `logs` float32 [N, C, outputs] (the heads' log-probabilities) are the caller's,
    who marks rows that have changed in `stale` bool [N]. What depends on them alone is computed once per change.
    """

    def __init__(self, states: np.ndarray, logs: np.ndarray, alpha: float, beta: float) -> None:
        rows, count, width = states.shape
        self._states, self._logs, self._alpha, self._beta = states, logs, alpha, beta
        self.stale = np.ones(rows, bool)
        self._inverse = np.zeros((rows, width, width))
        self._mean_log = np.zeros((rows, logs.shape[-1]), np.float32)
        self._shrinkage, self._ones = SHRINKAGE * np.eye(width), np.ones(width)
        self._average = np.full(count, 1 / count)
        self._average32 = self._average.astype(np.float32)
        self._divisor, self._zero = np.full((), 1 / (count - 1)), np.zeros(())
        # Room for `of_one`.
        self._offsets, self._weighted = np.empty((count, width)), np.empty((count, width))
        self._squares, self._covariance = np.empty(count), np.empty((width, width))

    def score(self, rows: Optional[np.ndarray], state: np.ndarray, p: np.ndarray, log: np.ndarray) -> np.ndarray:
        """float64 [m], of a new experience in each row of intp [m] (all if None): `state` [m, state], probabilities `p`
        [m, outputs] and their logarithms `log`."""
        self._refresh(rows)
        at: Any = slice(None) if rows is None else rows
        offsets = self._states[at] - state[:, None]
        weighted = np.matmul(offsets, self._inverse[at])
        weighted *= offsets
        # Rounding can leave less than nothing.
        squares = np.maximum(np.matmul(weighted, self._ones), 0)
        distance = np.matmul(np.sqrt(squares, squares), self._average)
        divergence = np.matmul(p[:, None], (log - self._mean_log[at])[..., None])[:, 0, 0]
        return np.asarray(self._alpha * distance + self._beta * divergence.astype(np.float64))

    def of_one(self, state: np.ndarray, p: np.ndarray, log: np.ndarray) -> float:
        """`score` where there is one row, of `state` [state], `p` and `log` [outputs]: the same sums with a third of
        NumPy's overhead."""
        states, offsets, weighted, squares = self._states[0], self._offsets, self._weighted, self._squares
        if self.stale.item():
            np.subtract(states, np.dot(self._average, states), offsets)
            covariance = np.dot(offsets.T, offsets, self._covariance)
            np.multiply(covariance, self._divisor, covariance)
            np.add(covariance, self._shrinkage, covariance)
            self._inverse[0] = np.linalg.inv(covariance)
            np.dot(self._average32, self._logs[0], self._mean_log[0])
            self.stale.fill(False)
        np.subtract(states, state, offsets)
        np.dot(offsets, self._inverse[0], weighted)
        np.multiply(weighted, offsets, weighted)
        np.dot(weighted, self._ones, squares)
        np.maximum(squares, self._zero, out=squares)
        distance = np.dot(np.sqrt(squares, squares), self._average)
        divergence = np.dot(p, np.subtract(log, self._mean_log[0]))
        return self._alpha * float(distance) + self._beta * float(divergence)

    def least(self, rows: np.ndarray) -> np.ndarray:
        """intp [m]: the kept experience of each row that scores least against all kept ones."""
        self._refresh(rows)
        states, log = self._states[rows], self._logs[rows].astype(np.float64)
        offsets = states[:, :, None] - states[:, None]
        weighted = np.matmul(offsets, self._inverse[rows][:, None]) * offsets
        distance = np.sqrt(np.maximum(weighted.sum(-1), 0)).mean(-1)
        divergence = (np.exp(log) * (log - log.mean(1, keepdims=True))).sum(-1)
        return np.argmin(self._alpha * distance + self._beta * divergence, -1)

    def _refresh(self, rows: Optional[np.ndarray]) -> None:
        """Bring rows intp [m] (all if None) up to date with what is kept."""
        chosen = np.arange(len(self.stale)) if rows is None else rows
        chosen = chosen[self.stale[chosen]]
        if not len(chosen):
            return
        at: Any = slice(None) if len(chosen) == len(self.stale) else chosen
        states = self._states[at]
        centred = states - np.matmul(self._average, states)[:, None]
        covariance = np.matmul(centred.swapaxes(1, 2), centred)
        covariance *= self._divisor
        covariance += self._shrinkage
        self._inverse[at] = np.linalg.inv(covariance)
        self._mean_log[at] = np.matmul(self._average32, self._logs[at])
        self.stale[at] = False
