"""Generalised advantage estimation (Schulman et al., arXiv 1506.02438, Eq. 16)."""

from __future__ import annotations

import numpy as np


def advantages(reward: np.ndarray, value: np.ndarray, gamma: float | np.ndarray, lam: float) -> np.ndarray:
    """Advantages, float32 [T, ...].

    Args:
        reward: [T, ...].
        value: [T + 1, ...]; the last row is of the state after the last reward. In a continuing task that is the state
            in which a horizon cuts the episode off: the task goes on there, and so does its value.
        gamma: of every step, or of each, float64 [T, ...], where steps differ in length.
    """
    errors = (reward + gamma * value[1:] - value[:-1]).astype(np.float64)
    decay = list(gamma * lam) if isinstance(gamma, np.ndarray) else [gamma * lam] * len(errors)
    found: list[np.ndarray | float] = []
    after: np.ndarray | float = 0.0
    # Plain numbers where there is one column: NumPy's scalars cost more than the sum.
    each = errors.tolist() if errors.ndim == 1 else list(errors)
    for error, factor in zip(reversed(each), reversed(decay), strict=True):
        after = error + factor * after
        found.append(after)
    return np.array(found[::-1], np.float32)
