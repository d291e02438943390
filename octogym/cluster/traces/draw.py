"""Random numbers of the synthetic traces: counter-based uniforms and what is made of them by inversion.

They come from `octogym.cluster.draws`, so the same seed gives the same traces in every process and NumPy version.
"""

from __future__ import annotations

import hashlib

import numpy as np

from octogym.cluster import draws

TRACES = 64  # first word of all keys of this package; the numbers below are kept for the kernel's streams


class Draws:
    """A sequence of draws for one purpose, told by the seed and the ``purpose``."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._seed = seed
        self._purpose = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:7], "big")
        self._taken = 0

    def take(self, count: int) -> np.ndarray:
        """``count`` uniforms in [0, 1), float64."""
        self._taken += 1
        index = np.arange(count)
        return np.asarray(draws.uniform_of(self._seed, TRACES, self._purpose, self._taken, index)).reshape(count)

    def erlang(self, shape: int, count: int, mean: float) -> np.ndarray:
        """Sums of ``shape`` exponentials, of the given mean."""
        return -mean / shape * np.log1p(-self.take(shape * count)).reshape(shape, count).sum(axis=0)

    def normal(self, count: int) -> np.ndarray:
        """Standard normals (Box and Muller)."""
        radius = np.sqrt(-2 * np.log1p(-self.take(count)))
        return radius * np.cos(2 * np.pi * self.take(count))

    def geometric(self, count: int, mean: float) -> np.ndarray:
        """Whole numbers from 1, float64."""
        if mean <= 1:
            return np.ones(count)
        return 1 + np.floor(np.log1p(-self.take(count)) / np.log1p(-1 / mean))
