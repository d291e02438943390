"""Adam in one array: what torch's AdamW does, number for number."""

from __future__ import annotations

import torch
from torch import nn

from octogym.scheduler.octocross.adam import FlatAdam


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def loss(model, step):
    draw = torch.Generator().manual_seed(step)
    return (model(torch.randn(8, 3, generator=draw)) ** 2).sum()


def test_it_is_adamw_with_clipping():
    mine, theirs = net(), net()
    flat = FlatAdam(dict(mine.named_parameters()), decay=0.1)
    matrices, others = ([x for x in theirs.parameters() if (x.ndim > 1) is wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=0.05)
    for step in range(6):
        loss(mine, step).backward()
        flat.step(0.05, clip=2.0)
        adam.zero_grad()
        loss(theirs, step).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 2.0)
        adam.step()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_parameters_are_parts_of_its_values():
    model = net()
    flat = FlatAdam(dict(model.named_parameters()))
    flat.values.fill_(0.5)
    assert all((x == 0.5).all() for x in model.parameters())
    parts = flat.named(torch.arange(len(flat.values)))
    assert list(parts) == ["0.weight", "0.bias", "2.weight", "2.bias"] and parts["0.bias"].tolist() == [12, 13, 14, 15]


def test_rows_that_are_not_chosen_stay():
    model = net()
    before = model[0].weight.detach().clone()
    flat = FlatAdam({"0.weight": model[0].weight}, decay=0.5, rows={"0.weight": torch.tensor([1])})
    loss(model, 0).backward()
    flat.step(0.05, clip=1.0)
    assert (model[0].weight != before).any(1).tolist() == [False, True, False, False]
