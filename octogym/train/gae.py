"""Generalised advantage estimation (Schulman et al., arXiv 1506.02438, Eq. 16)."""

from __future__ import annotations

import numpy as np


def advantages(reward: np.ndarray, value: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """Advantages, float32 [T, ...].

    Args:
        reward: [T, ...].
        value: [T + 1, ...]; the last row is of the state after the last reward. In a continuing task that is the state
            in which a horizon cuts the episode off: the task goes on there, and so does its value.
    """
    errors = (reward + gamma * value[1:] - value[:-1]).astype(np.float64)
    found: list[np.ndarray | float] = []
    after: np.ndarray | float = 0.0
    # Plain numbers where there is one column: NumPy's scalars cost more than the sum.
    for error in reversed(errors.tolist() if errors.ndim == 1 else list(errors)):
        after = error + gamma * lam * after
        found.append(after)
    return np.array(found[::-1], np.float32)
