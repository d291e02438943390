"""Stacks fed with random windows, and small worlds with a known optimum."""

from __future__ import annotations

import numpy as np

from octogym.agents.onboard import IAgentConfig, IAgentStack

SIZES = (2, 5, 3)


def make(n=1, rows=1, learning=True, sizes=SIZES, seeds=None, **switches):
    return IAgentStack(sizes, n, rows, IAgentConfig(**switches), seeds or list(range(10, 10 + n)), learning)


def play(stack: IAgentStack, windows: int, random: np.random.Generator, valid: float = 1.0) -> np.ndarray:
    """Random observations and rewards for some windows; returns the actions [windows, n, K, 3]."""
    shape = (stack.n, stack.rows)
    actions = []
    for _ in range(windows):
        stack.reward(random.uniform(-1, 1, shape).astype(np.float32), random.random(shape) < valid)
        actions.append(stack.decide(random.random((*shape, 8)).astype(np.float32), random.random((*shape, 3))))
    return np.array(actions)


def copies(stack: IAgentStack) -> dict:
    """Copies of all parameters, with the axis of agents."""
    return {name: array.copy() for name, array in stack.parameters.items()}


def changed(before: dict, stack: IAgentStack) -> set:
    """Names of the arrays that differ."""
    return {name for name, array in stack.parameters.items() if not np.array_equal(array, before[name])}
