"""The released model: its published sizes, and the defects for which it is kept."""

from __future__ import annotations

import pytest
import torch

from octogym.scheduler.octocross.released import ReleasedModel, released_projection


def count(model):
    return sum(x.numel() for x in model.parameters())


@pytest.mark.parametrize(("nodes", "parameters"), [(16, 470_066), (26, 663_126), (100, 3_689_282)])
def test_parameters_of_the_runtime_code(nodes, parameters):
    assert count(ReleasedModel(nodes)) == parameters


def test_parameters_of_the_training_script():
    assert count(ReleasedModel(16, horizon=1, blocks=3, gated=False, heads=4)) == 389_316


@pytest.mark.parametrize("gated", [True, False])
def test_no_information_crosses_nodes(gated):
    model = ReleasedModel(6, blocks=2, gated=gated)
    history = torch.rand(2, 6, 32, generator=torch.Generator().manual_seed(0)) * 20
    edges = torch.ones(6, 6, dtype=torch.bool)
    before = model(history, edges)
    assert before.main.shape == (2, 8, 6) and before.moved.shape == (2, 8, 6, 6) and before.after.shape == (2, 8, 6)
    history[:, 2] += 5.0
    after = model(history, edges)
    changed = (after.main - before.main).abs().amax((0, 1)) > 1e-5
    assert changed.tolist() == [i == 2 for i in range(6)]


@pytest.mark.parametrize("source", ["main", "aux"])
def test_no_gradient_reaches_the_head(source):
    model = ReleasedModel(5, blocks=1)
    history = torch.rand(1, 5, 32, generator=torch.Generator().manual_seed(0)) * 20
    found = model(history, torch.ones(5, 5, dtype=torch.bool), source)
    assert found.moved.sum() > 0
    (found.moved.sum() + found.after.sum() + found.main.sum() + found.aux.sum()).backward()
    assert not any(x.grad is not None and x.grad.any() for x in model.head.parameters())
    assert model.value.weight.grad.any()


def test_what_a_full_target_rejects_is_lost_and_the_rest_is_rounded_up():
    load = torch.tensor([16.0, 8.5, 0.0])
    scores = torch.tensor([[0.0, 20.0, 0.0]] * 3)
    moved, after = released_projection(scores, load, torch.ones(3, 3, dtype=torch.bool))
    assert moved[0].tolist() == [0.0, 2.0, 1.0]  # room for 1.5 and 10
    assert after.tolist() == [10.0, 10.0, 1.0]
