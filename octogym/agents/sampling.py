"""Action sampling that gives the same indices in the simulator, over the bridge and on a device (docs/contract.md)."""

from __future__ import annotations

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
    below = np.cumsum(probabilities, -1, dtype=np.float64)[..., :-1]
    return (u[..., None] >= below).sum(-1)
