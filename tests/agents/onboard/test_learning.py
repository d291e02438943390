"""Worlds with a known optimum are solved."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.onboard import IAgentConfig, IAgentStack


def run(stack, episodes, windows, observe, step, seed):
    """Learn in a world; `step(actions, state) -> (reward [n, K], state)`. Returns the mean reward per episode."""
    random = np.random.default_rng(seed)
    shape = (stack.n, stack.rows)
    state, reward, ok = random.integers(0, 2, shape), np.zeros(shape), np.ones(shape, bool)
    means = []
    for _ in range(episodes):
        for _ in range(windows):
            stack.reward(reward, ok)
            actions = stack.decide(observe(state), random.random((*shape, 3)))
            reward, state = step(actions, state, random)
        means.append(stack.learn().reward)
    return np.array(means)


def observe(state):
    observation = np.full((*state.shape, 8), 0.5, np.float32)
    observation[..., 3] = state
    return observation


def bandit(actions, state, random):
    """In context 0 batch 1 and one thread are best, in context 1 batch 4 and two threads; 1 at best."""
    wanted = np.stack([np.where(state == 0, 0, 3), np.where(state == 0, 0, 1)], -1)
    reward = (actions[..., 1:] == wanted).mean(-1)
    return reward, random.integers(0, 2, state.shape)


@pytest.mark.parametrize("switches", [{}, {"variant": "reduced"}, {"advantage": "normalised", "epochs": 4}], ids=str)
def test_a_contextual_bandit(switches):
    config = IAgentConfig(lr=3e-3, capacity=100, penalty=0.0, **switches)
    stack = IAgentStack((1, 4, 2), 2, 4, config, seeds=[1, 2])
    means = run(stack, 150, 40, observe, bandit, 0)
    assert means[0].mean() < 0.6
    assert means[-10:].mean(0).min() > 0.93


def corridor(actions, state, random):
    """Two states. Forward costs 0.2 in state 0 and pays 1 in state 1, back pays 0.1 in both; each leads to the state of
    its number, but with chance 0.3 the next state is drawn. In state 0 the best next reward is that of going back; with
    gamma = 0.8 forward is worth 3.08 there, back 2.71."""
    forward = actions[..., 1] == 1
    reward = np.where(forward, np.where(state == 1, 1.0, -0.2), 0.1)
    return reward, np.where(random.random(state.shape) < 0.3, random.integers(0, 2, state.shape), forward)


@pytest.mark.parametrize(("gamma", "forward"), [(0.0, (False, True)), (0.8, (True, True))])
def test_a_two_state_mdp_needs_foresight(gamma, forward):
    config = IAgentConfig(lr=3e-3, gamma=gamma, lam=0.9, capacity=100, penalty=0.0, reward_factor=False, epochs=2)
    stack = IAgentStack((1, 2, 1), 2, 4, config, seeds=[1, 2])
    run(stack, 120, 40, observe, corridor, 0)
    for state in (0, 1):
        # Nine draws in ten take the wanted side.
        u = np.full((2, 4, 3), 0.1 if forward[state] else 0.9)
        assert (stack.decide(observe(np.full((2, 4), state)), u)[..., 1] == forward[state]).all()


def test_the_penalty_keeps_threads_down_where_nothing_else_speaks():
    config = IAgentConfig(lr=3e-3, capacity=100, penalty=0.2)
    stack = IAgentStack((2, 2, 2), 1, 4, config, seeds=[1])
    run(stack, 100, 30, observe, lambda a, s, random: (np.zeros(s.shape), s), 0)
    # Nine draws in ten take the cheap ones.
    actions = stack.decide(observe(np.zeros((1, 4), int)), np.full((1, 4, 3), 0.9))
    assert not actions[..., 0].any() and not actions[..., 2].any()
