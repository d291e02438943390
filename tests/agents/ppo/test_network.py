"""The network of IPPO and MAPPO agents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.agents.ppo import network

HEADS = (4, 64, 4)
SIZES = np.array([[4, 64, 4], [1, 1, 1], [2, 8, 2], [1, 64, 2]])
KIND = np.array([0, 1, 2, 0])
MASK = network.head_mask(SIZES, HEADS)


def test_the_mask_marks_the_indices_of_each_head():
    assert MASK.shape == (4, 72) and MASK.sum(1).tolist() == [72, 3, 12, 67]
    assert MASK[2].nonzero()[0].tolist() == [0, 1, *range(4, 12), 68, 69]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.01, 1.0, 1e3]), st.sampled_from([0.0, 0.5, 1 - 2**-53]))
def test_probabilities_sum_to_1_and_no_choice_is_beyond_an_agents_own_sizes(seed, scale, u):
    generator = np.random.default_rng(seed)
    p = {n: (scale * generator.normal(size=s)).astype(np.float32) for n, s in network.shapes(3, HEADS).items()}
    observation = generator.normal(size=(5, 4, 8)).astype(np.float32)
    chances = network.probabilities(p, observation, KIND, MASK, HEADS)
    assert [c.shape for c in chances] == [(5, 4, n) for n in HEADS] and chances[0].dtype == np.float32
    for chance, mask in zip(chances, np.split(MASK, np.cumsum(HEADS)[:-1], 1), strict=True):
        assert np.abs(chance.sum(-1) - 1).max() < 1e-5 and (chance[:, ~mask] == 0).all()
    for draws in (None, np.full((5, 4, 3), u), generator.random((5, 4, 3))):
        index = network.choose(chances, draws, SIZES)
        assert (index >= 0).all() and (index < SIZES).all()


def test_fresh_weights_are_nearly_indifferent_and_the_kinds_tell_agents_apart():
    p = network.initial(3, HEADS, np.random.default_rng(0))
    assert {n: a.shape for n, a in p.items()} == network.shapes(3, HEADS)
    observation = np.ones((1, 4, 8), np.float32)
    chances = network.probabilities(p, observation, KIND, MASK, HEADS)
    assert np.abs(chances[1][0, 0] - 1 / 64).max() < 2e-3 and chances[1][0, 1].tolist() == [1.0] + [0.0] * 63
    assert np.array_equal(chances[1][0, 0], chances[1][0, 3])
    p["kind1"][1:] = 1
    again = network.probabilities(p, observation, KIND, MASK, HEADS)
    assert np.array_equal(again[1][0, 0], chances[1][0, 0]) and not np.array_equal(again[1][0, 2], chances[1][0, 2])


def test_sampling_follows_the_probabilities():
    chance = np.array([[0.1, 0.6, 0.3]], np.float32)
    u = np.linspace(0, 1, 1001)[:-1, None, None].repeat(3, -1)
    index = network.choose([chance] * 3, u, np.array([[3, 3, 3]]))
    assert np.bincount(index[:, 0, 1]) / 1000 == pytest.approx([0.1, 0.6, 0.3], abs=2e-3)
    assert network.choose([chance] * 3, None, np.array([[3, 3, 3]])).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("shape", [(8, 64), (64, 8), (5, 5)])
def test_orthogonal(shape):
    w = network.orthogonal(shape, 2.0, np.random.default_rng(0)).astype(np.float64)
    gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
    assert np.abs(gram - 4 * np.eye(min(shape))).max() < 1e-5
