"""GAE, and what the paper's and the released loss reward and punish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.layout import Layout
from octogym.agents.onboard.loss import Batch, Loss, advantages, normalised

unit = st.floats(-1, 1)


@given(st.lists(st.tuples(unit, unit), min_size=1, max_size=12), st.integers(0, 3), st.floats(0, 1), st.floats(0, 1))
def test_gae_and_returns_are_their_sums(steps, padding, gamma, lam):
    count = len(steps)
    r, v = np.array(steps).T
    pad = np.full(padding, 9.0)
    kept = np.arange(count + padding) < count
    gae, returns = advantages(np.r_[r, pad], np.r_[v, pad], kept, gamma, lam)
    after = np.append(v[1:], 0)
    delta = r + gamma * after - v
    for t in range(count):
        powers = np.arange(count - t)
        assert returns[t] == pytest.approx(float((gamma**powers * r[t:]).sum()), abs=1e-9)
        assert gae[t] == pytest.approx(float(((gamma * lam) ** powers * delta[t:]).sum()), abs=1e-9)
    assert not gae[count:].any() and not returns[count:].any()


def test_rows_do_not_see_each_other():
    random = np.random.default_rng(0)
    r, v = random.random((2, 3, 5))
    kept = np.ones((3, 5), bool)
    both = advantages(r, v, kept, 0.9, 0.8)
    for row in range(3):
        alone = advantages(r[row], v[row], kept[row], 0.9, 0.8)
        assert np.array_equal(both[0][row], alone[0]) and np.array_equal(both[1][row], alone[1])


def test_normalised_advantages_ignore_padding():
    advantage = np.array([[1.0, 2.0, 3.0, 99.0]])
    weight = np.array([[1, 1, 1, 0]]) / 3
    found = normalised(advantage, weight)[0, :3]
    assert found == pytest.approx([-1.2247449, 0, 1.2247449])


def one(reward, advantage, ratio=1.0, chosen=0, **switches):
    """Loss and gradient at the probabilities of a single experience that chose an output of each head; p = 1/2."""
    layout = Layout((2, 2, 2), "fcpo")
    p = np.full((1, 1, 6), 0.5)
    columns = np.array([[[0, 2, 4]]]) + chosen
    logp = np.array([[3 * np.log(0.5) - np.log(ratio)]])
    single = [np.full((1, 1), value, float) for value in (reward, advantage, 0, 2 * chosen, 1)]
    batch = Batch(np.zeros((1, 1, 8)), columns, logp, *single)
    config = IAgentConfig(penalty=0.0, **switches)
    losses, grad, _ = Loss(config, layout, np.float64).of(p, np.zeros((1, 1)), batch)
    return float(losses.policy[0]), float(grad[0, 0, chosen])


def test_a_better_reward_weighs_less_by_the_factor():
    loss, slope = one(reward=0.5, advantage=1.0)
    assert loss == pytest.approx(-np.exp(-0.5))
    assert slope == pytest.approx(-2 * np.exp(-0.5))
    assert one(reward=0.5, advantage=1.0, reward_factor=False)[0] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.8, 1, True), (2.0, 1, False), (2.0, -1, True), (0.05, -1, False), (0.05, 1, True)],
)
def test_the_ratio_is_clipped_on_the_side_that_gains(ratio, advantage, moves):
    loss, slope = one(0.0, advantage, ratio)
    assert (slope != 0) == moves
    assert loss == pytest.approx(-min(ratio * advantage, np.clip(ratio, 0.1, 1.9) * advantage))


def test_the_released_loss_pulls_towards_every_action_most_towards_the_worst():
    pulls = [-one(reward, advantage=0.0, loss="released")[1] for reward in (0.9, 0.0, -0.9)]
    assert 0 < pulls[0] < pulls[1] < pulls[2]
    assert one(0.0, 0.0, loss="paper")[1] == 0


def test_the_released_ratio_is_not_one_before_the_first_step():
    # Two softmaxes leave 1/2 as it is, so the choice has to be uneven to show it.
    layout = Layout((1, 4, 1), "fcpo")
    p = np.array([[[1.0, 0.97, 0.01, 0.01, 0.01, 1.0]]])
    columns = np.array([[[0, 1, 5]]])
    ones = np.ones((1, 1))
    batch = Batch(np.zeros((1, 1, 8)), columns, np.log([[0.97]]), 0 * ones, ones, 0 * ones, 0 * ones, ones)
    paper, released = (
        Loss(IAgentConfig(penalty=0.0, loss=loss), layout, np.float64).of(p, np.zeros((1, 1)), batch)[0].policy[0]
        for loss in ("paper", "released")
    )
    assert paper == pytest.approx(-1)
    q = np.exp(0.97) / (np.exp(0.97) + 3 * np.exp(0.01))
    assert released == pytest.approx(10 * (10 / (q / 0.97) - q / 0.97), rel=1e-6)
