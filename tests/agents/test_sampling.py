"""Keyed draws and the inverse CDF."""

from __future__ import annotations

import numpy as np

from octogym.agents.sampling import action_uniforms, inverse_cdf


def test_an_environment_of_a_batch_draws_what_it_draws_alone():
    batch = action_uniforms(seed=5, num_envs=4, agents=3, step=7)
    assert batch.shape == (4, 3, 3)
    assert np.array_equal(batch[2], action_uniforms(seed=7, num_envs=1, agents=3, step=7)[0])
    assert len(np.unique(batch)) == batch.size


def test_inverse_cdf_takes_each_index_with_its_probability():
    p = np.array([0.2, 0.0, 0.5, 0.3])
    u = (np.arange(10_000) + 0.5) / 10_000
    share = np.bincount(inverse_cdf(np.broadcast_to(p, (10_000, 4)), u), minlength=4) / 10_000
    assert share.tolist() == [0.2, 0.0, 0.5, 0.3]


def test_inverse_cdf_stays_within_when_rounding_leaves_a_rest():
    p = np.array([0.3, 0.3, 0.3999])
    assert inverse_cdf(p, np.float64(1 - 1e-12)) == 2
