"""The network and the loss: gradients against finite differences in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.layout import Layout
from octogym.agents.onboard.loss import Batch, Loss
from octogym.agents.onboard.network import Network

N, T = 2, 7


def problem(sizes, seed=0, **switches):
    """A network of N agents in double precision, an off-policy batch with padding, and the loss of the parameters."""
    config = IAgentConfig(**switches)
    layout = Layout(sizes, config.variant)
    random = np.random.default_rng(seed)
    flat = np.stack([layout.initial(3), layout.initial(4)]).astype(np.float64)
    flat += 0.05 * random.standard_normal(flat.shape)  # biases and LayerNorm away from their starts
    loss = Loss(config, layout, np.float64)
    actions = np.stack([random.integers(0, size, (N, T)) for size in sizes], -1)
    columns = layout.columns(actions)
    state = random.random((N, T, 8))
    network = Network(layout, layout.blocks(flat), T)
    network.forward(state)
    logp = np.log(np.take_along_axis(network.p, columns, -1)).sum(-1)
    weight = np.full((N, T), 1 / T)
    weight[1] = np.array([1 / 4] * 4 + [0] * (T - 4))
    batch = Batch(
        state,
        columns,
        logp + random.uniform(-0.3, 0.3, (N, T)),
        random.uniform(-1, 1, (N, T)),
        random.standard_normal((N, T)),
        random.standard_normal((N, T)),
        (actions[..., 0] + actions[..., 2]).astype(float),
        weight,
    )

    def evaluate(parameters, policy_only=False):
        network = Network(layout, layout.blocks(parameters), T)
        network.forward(state)
        losses, grad_p, grad_value = loss.of(network.p, network.value, batch, policy_only)
        grad = np.zeros_like(parameters)
        network.backward(grad_p, grad_value, layout.blocks(grad))
        return losses, grad

    return layout, flat, evaluate, batch


CASES = [
    {},
    {"variant": "reduced"},
    {"loss": "released"},
    {"loss": "released", "variant": "reduced"},
    {"entropy": 0.3, "value_weight": 0.5, "reward_factor": False},
    {"penalty": 0.0},
]


@pytest.mark.parametrize("policy_only", [False, True])
@pytest.mark.parametrize("switches", CASES, ids=str)
def test_gradient_is_the_slope_of_the_loss(switches, policy_only):
    layout, flat, evaluate, _ = problem((3, 4, 2), **switches)
    _, grad = evaluate(flat, policy_only)
    random = np.random.default_rng(1)
    step = 1e-6
    for _, view in layout.views(np.arange(layout.size)[None]).items():
        for at in random.choice(view.reshape(-1), min(6, view.size), replace=False):
            slope = np.zeros(N)
            for sign in (1, -1):
                moved = flat.copy()
                moved[:, at] += sign * step
                slope += sign * evaluate(moved, policy_only)[0].total / (2 * step)
            assert grad[:, at] == pytest.approx(slope, rel=2e-5, abs=2e-7)


@pytest.mark.parametrize("switches", CASES, ids=str)
def test_every_part_has_a_gradient(switches):
    layout, flat, evaluate, _ = problem((3, 4, 2), **switches)
    _, grad = evaluate(flat)
    for name, view in layout.views(grad).items():
        assert np.abs(view).max((*range(1, view.ndim),)).min() > 0, name


def test_the_policy_loss_alone_does_not_reach_the_value_head():
    layout, flat, evaluate, _ = problem((3, 4, 2))
    views = layout.views(evaluate(flat, policy_only=True)[1])
    assert not views["value.w"].any() and not views["value.b"].any()
    assert views["batch.w"].any() and views["backbone.w1"].any()


def test_the_penalty_steers_resolution_and_threads_but_only_in_the_papers_loss():
    layout, flat, with_, _ = problem((3, 4, 2), penalty=0.2)
    _, _, without, _ = problem((3, 4, 2), penalty=0.0)
    difference = layout.views(with_(flat)[1] - without(flat)[1])
    assert difference["resolution.b"].any() and difference["threads.b"].any()
    assert not difference["batch.b"].any() and not difference["value.w"].any()
    # Less of the expensive, more of the cheap.
    assert (difference["threads.b"][:, -1] > 0).all() and (difference["threads.b"][:, 0] < 0).all()
    _, _, with_, _ = problem((3, 4, 2), penalty=0.2, loss="released")
    _, _, without, _ = problem((3, 4, 2), penalty=0.0, loss="released")
    assert np.array_equal(with_(flat)[1], without(flat)[1])
    assert (with_(flat)[0].total > without(flat)[0].total).all()


def test_the_later_heads_teach_the_first_through_its_probabilities():
    layout, flat, _, batch = problem((3, 4, 2), penalty=0.0)
    network = Network(layout, layout.blocks(flat), T)
    network.forward(batch.state)
    grad_p = np.zeros_like(network.p)
    grad_p[..., 3:] = np.random.default_rng(0).standard_normal(grad_p[..., 3:].shape)
    grad = np.zeros_like(flat)
    network.backward(grad_p, np.zeros((N, T)), layout.blocks(grad))
    assert np.abs(layout.views(grad)["resolution.w"]).max() > 1e-6


def test_padding_counts_for_nothing():
    _, flat, evaluate, batch = problem((3, 4, 2))
    losses, grad = evaluate(flat)
    batch.reward[1, 4:] = 7.0
    batch.advantage[1, 4:] = 9.0
    again, grad_again = evaluate(flat)
    assert np.array_equal(losses.total, again.total) and np.array_equal(grad, grad_again)


def test_the_forward_pass_is_the_published_network():
    layout = Layout((2, 5, 3), "fcpo")
    flat = layout.initial(9)[None]
    w = {name: view[0].astype(np.float64) for name, view in layout.views(flat).items()}
    w["backbone.gain"] += 0.1
    state = np.random.default_rng(0).random((1, 1, 8)).astype(np.float32)
    layout.views(flat)["backbone.gain"][:] += np.float32(0.1)
    network = Network(layout, layout.blocks(flat), 1)
    network.forward(state)

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    h = np.maximum(state[0, 0] @ w["backbone.w1"] + w["backbone.b1"], 0)
    h = np.maximum(h @ w["backbone.w2"] + w["backbone.b2"], 0)
    x = (h - h.mean()) / np.sqrt(h.var() + 1e-5) * w["backbone.gain"] + w["backbone.shift"]
    first = softmax(x @ w["resolution.w"] + w["resolution.b"])
    z = np.concatenate([x, first])
    expected = [first, softmax(z @ w["batch.w"] + w["batch.b"]), softmax(z @ w["threads.w"] + w["threads.b"])]
    np.testing.assert_allclose(network.p[0, 0], np.concatenate(expected), atol=1e-6)
    np.testing.assert_allclose(network.value[0, 0], (x @ w["value.w"] + w["value.b"])[0], atol=1e-5)


def test_far_apart_logits_give_probabilities():
    layout = Layout((2, 5, 3), "fcpo")
    flat = layout.initial(9)[None]
    views = layout.views(flat)
    views["batch.b"][0, 0], views["threads.b"][0, 0], views["resolution.b"][0, 0] = 1e4, -1e4, 300
    network = Network(layout, layout.blocks(flat), 1)
    network.forward(np.zeros((1, 1, 8), np.float32))
    p = network.p[0, 0]
    assert p[:2].sum() == pytest.approx(1) and p[2:7].tolist() == [1, 0, 0, 0, 0]
    assert p[7] == 0 and p[7:].sum() == pytest.approx(1)


def test_an_agent_with_far_apart_logits_leaves_the_others_bits_alone():
    layout = Layout((2, 5, 3), "fcpo")
    flat = np.stack([layout.initial(9), layout.initial(8)])
    state = np.random.default_rng(0).random((2, 1, 8)).astype(np.float32)
    calm = Network(layout, layout.blocks(flat), 1)
    calm.forward(state)
    before = calm.p.copy()
    layout.views(flat)["threads.b"][0] = [-300, -301, -302]
    wild = Network(layout, layout.blocks(flat), 1)
    wild.forward(state)
    assert np.array_equal(wild.p[1], before[1])
    assert wild.p[0, 0, 7:].sum() == pytest.approx(1) and (wild.p[0, 0, 7:] > 0.001).all()
    alone = Network(layout, layout.blocks(flat[:1]), 1)
    alone.forward(state[:1])
    assert np.array_equal(alone.p[0], wild.p[0])
