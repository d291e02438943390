"""Generalised advantage estimation."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from octogym.train.gae import advantages


def of(reward, value, gamma, lam):
    return advantages(np.array(reward, np.float32), np.array(value, np.float32), gamma, lam)


def test_lambda_1_is_the_return_less_the_value_with_the_value_of_the_last_state():
    found = of([1, 2, 3], [10, 20, 30, 40], 0.5, 1.0)
    assert found.tolist() == [1 + 0.5 * 2 + 0.25 * 3 + 0.125 * 40 - 10, 2 + 0.5 * 3 + 0.25 * 40 - 20, 3 + 0.5 * 40 - 30]


def test_lambda_0_is_the_one_step_error():
    assert of([1, 2], [10, 20, 30], 0.5, 0.0).tolist() == [1 + 10 - 10, 2 + 15 - 20]


@given(st.floats(0, 0.95), st.floats(0, 1), st.floats(-5, 5))
def test_a_task_of_constant_reward_and_its_true_value_has_no_advantages_wherever_it_is_cut(gamma, lam, reward):
    value = np.full((9, 2), reward / (1 - gamma))
    assert np.abs(of(np.full((8, 2), reward), value, gamma, lam)).max() < 1e-4


def test_columns_are_independent():
    reward, value = np.random.default_rng(0).normal(size=(2, 5, 3))
    whole = of(reward[:4], value, 0.9, 0.8)
    assert np.array_equal(whole[:, 1], of(reward[:4, 1], value[:, 1], 0.9, 0.8))


def test_steps_of_different_length_are_discounted_each_by_its_own():
    reward, value = np.array([[1.0], [2.0], [4.0]]), np.array([[0.5], [1.5], [2.5], [3.5]])
    gamma = np.array([[0.9], [0.9], [0.9**0.5]])
    last = 4.0 + 0.9**0.5 * 3.5 - 2.5
    middle = 2.0 + 0.9 * 2.5 - 1.5 + 0.9 * 0.8 * last
    first = 1.0 + 0.9 * 1.5 - 0.5 + 0.9 * 0.8 * middle
    assert np.allclose(advantages(reward, value, gamma, 0.8)[:, 0], [first, middle, last])
    assert np.array_equal(advantages(reward, value, np.full((3, 1), 0.9), 0.8), advantages(reward, value, 0.9, 0.8))
