"""Action sampling that gives the same indices in the simulator, over the bridge and on a device (docs/contract.md)."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Sequence

import numpy as np

from octogym.cluster import draws

#: An agent's heads in order: packing, batch, threads.
HEADS = 3


def action_uniforms(seed: int, num_envs: int, agents: int, step: int, heads: int = HEADS) -> np.ndarray:
    """float64 [E, agents, heads] in [0, 1), keyed (seed + e, POLICY, agent, step, head)."""
    seeds = (seed + np.arange(num_envs))[:, None, None]
    agent = np.arange(agents)[None, :, None]
    return np.asarray(draws.uniform_of(seeds, draws.POLICY, agent, step, np.arange(heads)[None, None, :]))


def inverse_cdf(probabilities: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Index whose share of [0, 1) holds u: the smallest n with u < p_0 + ... + p_n, or the last index if rounding
    leaves none.

    `probabilities` float [..., N], `u` float [...]; returns int64 [...].
    """
    below = np.add.accumulate(probabilities, -1, np.float64)[..., :-1]
    return np.add.reduce(u[..., None] >= below, -1, np.int64)


def inverse_cdf_of_one(probabilities: Sequence[float], u: float) -> int:
    """`inverse_cdf` of a single distribution, the same sums in the same order without NumPy's price per call."""
    last = len(probabilities) - 1
    return bisect_right(list(accumulate(probabilities)), u, 0, last) if last else 0


class ActionUniforms:
    """`action_uniforms` of one environment and one agent, drawn a block of steps at a time: on a device a single
    draw would cost more than the whole decision."""

    BLOCK = 128

    def __init__(self, seed: int, agent: int, heads: int = HEADS) -> None:
        self._key = (seed, agent, heads)
        self._first = -self.BLOCK
        self._block = np.empty((0, 1, 1, heads))

    def at(self, step: int) -> np.ndarray:
        """float64 [1, 1, heads] of the step; read-only by agreement."""
        k = step - self._first
        if not 0 <= k < len(self._block):
            seed, agent, heads = self._key
            self._first, k = step - step % self.BLOCK, step % self.BLOCK
            steps = (self._first + np.arange(self.BLOCK))[:, None, None, None]
            self._block = np.asarray(draws.uniform_of(seed, draws.POLICY, agent, steps, np.arange(heads)))
        return self._block[k]
