"""Learning curves: figures over time by run, and when a run has got where it ends."""

from __future__ import annotations

import numpy as np


def by_seed(history: dict[str, np.ndarray], name: str) -> np.ndarray:
    """float64 [seeds, blocks]: one column of a training's history."""
    seeds = np.unique(history["seed"])
    return np.stack([history[name][history["seed"] == seed] for seed in seeds])


def smooth(values: np.ndarray, width: int = 5) -> np.ndarray:
    """Running mean over the last `width` blocks (fewer at the beginning), along the last axis."""
    total = np.cumsum(values, -1)
    before = np.concatenate([np.zeros((*values.shape[:-1], width)), total[..., :-width]], -1)[..., : values.shape[-1]]
    return (total - before) / np.minimum(np.arange(1, values.shape[-1] + 1), width)


def blocks_to(values: np.ndarray, share: float = 0.95, last: int = 10, end: np.ndarray | None = None) -> np.ndarray:
    """float64 [seeds]: after how many blocks the smoothed curve first has made `share` of its way from the first block
    to `end` float64 [seeds], its own final level (the mean of the `last` blocks) if None; NaN where it never does."""
    smoothed = smooth(values)
    start, end = values[:, 0], final(values, last) if end is None else end
    found = []
    for curve, low, high in zip(smoothed, start, end, strict=True):
        reached = np.flatnonzero(curve >= low + share * (high - low))
        found.append(float(reached[0] + 1) if high > low and len(reached) else np.nan)
    return np.array(found)


def final(values: np.ndarray, last: int = 10) -> np.ndarray:
    """float64 [seeds]: the mean of the last blocks."""
    return values[:, -last:].mean(1)
