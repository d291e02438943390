"""The NumPy iAgent against torch's autograd and AdamW."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from octogym.agents.onboard import IAgentConfig, IAgentStack
from octogym.agents.onboard.adamw import AdamW
from octogym.cluster.errors import MissingExtra
from tests.agents.onboard.worlds import changed, copies

torch = pytest.importorskip("torch")
from octogym.agents.fcpo.iagent_torch import TorchAdamW, TorchIAgentStack  # noqa: E402

CASES = [
    {},
    {"variant": "reduced"},
    {"loss": "released"},
    {"loss": "released", "variant": "reduced"},
    {"advantage": "normalised", "entropy": 0.01, "epochs": 3, "value_weight": 0.5, "max_grad_norm": 0.5},
    {"variant": "reduced", "entropy": 0.01, "epochs": 2, "reward_factor": False},
    {"loss": "released", "reward_factor": False, "max_grad_norm": 1.0, "weight_decay": 0.0},
    {"replace": "least-diverse", "threshold": 2.0, "clip": 0.2, "epochs": 4, "gamma": 0.9, "lam": 0.95},
    {"gate": 0.6},
]


def run_both(sizes, updates, windows, **switches):
    """The same windows for both. Yields the pair and their reports after every update."""
    config = IAgentConfig(**{"capacity": 8, **switches})
    pair = [make(sizes, 2, 2, config, seeds=[1, 2]) for make in (IAgentStack, TorchIAgentStack)]
    random = np.random.default_rng(0)
    for update in range(updates):
        for _ in range(windows):
            valid = random.random((2, 2)) < 0.9
            observation, u = random.random((2, 2, 8)).astype(np.float32), random.random((2, 2, 3))
            r = random.uniform(-1, 1, (2, 2))
            actions = []
            for stack in pair:
                stack.reward(r, valid)
                actions.append(stack.decide(observation, u))
            assert np.array_equal(*actions)
        agents = [[0, 1], [1, 0], [1]][update % 3]
        reports = [stack.learn(agents) for stack in pair]
        yield pair, reports


@pytest.mark.parametrize("switches", CASES, ids=str)
def test_a_hundred_updates_agree(switches):
    skipped = 0
    pair: tuple = ()
    for pair, (ours, twin) in run_both((3, 5, 2), 100 // switches.get("epochs", 1), 9, **switches):  # noqa: B007
        for field in ("loss", "policy_loss", "value_loss", "penalty", "entropy"):
            np.testing.assert_allclose(getattr(ours, field), getattr(twin, field), rtol=1e-4, atol=1e-5)
        assert np.array_equal(ours.skipped, twin.skipped)
        skipped += int(ours.skipped.sum())
    for name, array in pair[0].parameters.items():
        np.testing.assert_allclose(array, pair[1].parameters[name], rtol=0, atol=1e-5, err_msg=name)
    assert (skipped > 0) == ("gate" in switches)


@pytest.mark.parametrize("sizes", [(1, 8, 2), (4, 16, 4), (1, 1, 1), (2, 1, 3)], ids=str)
def test_sizes_agree_and_so_does_fine_tuning(sizes):
    for pair, _ in run_both(sizes, 3, 9, fine_tune_steps=3, max_grad_norm=0.05):
        before = copies(pair[0])
        np.testing.assert_allclose(*[stack.fine_tune() for stack in pair], rtol=1e-4, atol=1e-5)
        heads = set(pair[0].layout.head_names)
        assert changed(before, pair[0]) <= heads
        for name, array in pair[0].parameters.items():
            np.testing.assert_allclose(array, pair[1].parameters[name], rtol=0, atol=1e-5, err_msg=name)


def test_adamw_is_torchs():
    config = IAgentConfig(lr=0.01, weight_decay=0.1)
    layout = IAgentStack((2, 3, 2), 1, 1, config).layout
    random = np.random.default_rng(0)
    start = random.standard_normal((2, layout.size)).astype(np.float32)
    flats = [start.copy(), start.copy()]
    optimisers = [AdamW(layout, 2, config), TorchAdamW(layout, 2, config, flats[1])]
    for step in range(200):
        agents = np.array([[0, 1], [1], [0]][step % 3])
        names = layout.head_names if step % 5 == 4 else None
        scale = 10.0 ** random.integers(-6, 3, (len(agents), 1))
        grad = (random.standard_normal((len(agents), layout.size)) * scale).astype(np.float32)
        for flat, optimiser in zip(flats, optimisers, strict=True):
            optimiser.step(flat, grad, agents, names)
    np.testing.assert_allclose(flats[0], flats[1], rtol=0, atol=1e-6)
    assert np.array_equal(optimisers[0].steps, optimisers[1].steps)
    assert len(np.unique(optimisers[0].steps)) > 1


def test_a_state_goes_on_in_the_other_implementation():
    generator = run_both((3, 5, 2), 4, 9)
    for pair, _ in generator:
        states = [stack.state_dict() for stack in pair]
        for stack, state in zip(pair, reversed(states), strict=True):
            stack.load(state)
    assert states[0].keys() == states[1].keys()


def test_parameters_that_are_set_are_torchs_too():
    stack = TorchIAgentStack((2, 3, 2), 2, 1, seeds=[1, 2])
    stack.set(0, stack.get(1))
    observation, u = np.random.default_rng(0).random((1, 1, 8)).astype(np.float32), np.full((2, 1, 3), 0.4)
    assert np.array_equal(*stack.decide(np.repeat(observation, 2, 0), u))


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "octogym.agents.fcpo.iagent_torch")
    with pytest.raises(MissingExtra, match="train"):
        importlib.import_module("octogym.agents.fcpo.iagent_torch")
