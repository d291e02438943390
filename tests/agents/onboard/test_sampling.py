"""Keyed draws and the inverse CDF."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from octogym.agents.onboard.sampling import ActionUniforms, action_uniforms, inverse_cdf, inverse_cdf_of_one


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=70), st.floats(0, 1, exclude_max=True))
def test_one_distribution_is_sampled_as_many_are(weights, u):
    p = np.array(weights, np.float32)
    p /= max(p.sum(), np.float32(1e-3))
    many = inverse_cdf(np.stack([p, p[::-1]]), np.array([u, u]))
    assert inverse_cdf_of_one(p.tolist(), u) == many[0]
    assert inverse_cdf_of_one(p[::-1].tolist(), u) == many[1]


def test_each_index_comes_with_its_probability():
    p = np.array([0.2, 0.0, 0.5, 0.3])
    found = [inverse_cdf_of_one(p.tolist(), (k + 0.5) / 1000) for k in range(1000)]
    assert (np.bincount(found, minlength=4) / 1000).tolist() == [0.2, 0.0, 0.5, 0.3]


def test_an_index_stays_within_when_rounding_leaves_a_rest():
    assert inverse_cdf_of_one([0.3, 0.3, 0.3999], 1 - 1e-12) == 2


def test_a_block_of_draws_holds_the_same_draws_in_any_order():
    block = ActionUniforms(seed=5, agent=2)
    for step in (0, 1, 300, 127, 128, 3):
        assert np.array_equal(block.at(step), action_uniforms(seed=5, num_envs=1, agents=3, step=step)[:, 2:])
