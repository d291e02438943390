"""Compiled attention and its gradients against the textbook's formula."""

from __future__ import annotations

import pytest
import torch

from octogym.scheduler.octocross.attention import compiles, over_nodes, over_times
from octogym.scheduler.octocross.projection import CLOSED

from .situations import lively, random_cluster

# Batch, nodes, times, width, heads: heads of 4, 8, 6 and 1 channels; lengths below, at and above a vector's.
SIZES = [(2, 5, 12, 16, 4), (2, 17, 32, 16, 2), (1, 16, 7, 12, 2), (1, 3, 5, 3, 3), (1, 1, 1, 4, 1)]


def textbook(qkv, bias, heads, over):
    b, n, steps, width = qkv.shape
    q, k, v = (x.reshape(b, n, steps, heads, -1) for x in qkv.chunk(3, -1))
    if over == "nodes":
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    scores = torch.einsum("bsihc,bsjhc->bshij", q, k) / q.shape[-1] ** 0.5
    if over == "nodes":
        scores = scores + bias[:, None]
    out = torch.einsum("bshij,bsjhc->bsihc", scores.softmax(-1), v)
    return (out.transpose(1, 2) if over == "nodes" else out).reshape(b, n, steps, width // 3)


def compiled(qkv, bias, heads, over):
    return over_nodes(qkv, bias, heads) if over == "nodes" else over_times(qkv, heads)


def numbers(b, n, steps, width, heads):
    draw = torch.Generator().manual_seed(n)
    qkv = torch.randn(b, n, steps, 3 * width, generator=draw, requires_grad=True)
    bias = torch.randn(b, heads, n, n, generator=draw, requires_grad=True)
    return qkv, bias, torch.randn(b, n, steps, width, generator=draw)


@pytest.mark.parametrize("over", ["times", "nodes"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_values_and_gradients(size, over):
    qkv, bias, given = numbers(*size)
    found = []
    for function in (compiled, textbook):
        out = function(qkv, bias, size[-1], over)
        wanted = (qkv, bias) if over == "nodes" else (qkv,)
        found.append((out, *torch.autograd.grad((out * given).sum(), wanted)))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_closed_nodes_are_not_seen():
    qkv, _, _ = numbers(1, 6, 4, 8, 2)
    bias = torch.zeros(1, 2, 6, 6)
    bias[..., 3] = CLOSED
    changed = qkv.detach().clone()
    changed[:, 3, :, 8:] += 5.0  # its key and value; its query is its own
    assert torch.equal(over_nodes(qkv, bias, 2), over_nodes(changed, bias, 2))


def test_scores_of_any_size_are_no_trouble():
    qkv, bias, given = numbers(1, 5, 4, 8, 2)
    for factor in (1e3, 1e-12):
        out = over_nodes(qkv * factor, bias * factor, 2)
        out.backward(given, retain_graph=True)
        assert torch.isfinite(out).all() and torch.isfinite(qkv.grad).all() and torch.isfinite(bias.grad).all()


def test_tensors_of_other_kinds_go_torchs_way():
    assert not compiles(torch.zeros(1, dtype=torch.float64)) and not compiles(torch.zeros(1, device="meta"))
    model, cluster = lively(), random_cluster(5, batch=2)
    double = [x.double() if x.is_floating_point() else x for x in cluster]
    single = model(*cluster)
    for ours, theirs in zip(single, model.double()(*double), strict=True):
        assert torch.allclose(ours.double(), theirs, rtol=1e-4, atol=1e-4)


def test_gradients_of_the_whole_model_are_torchs():
    model, cluster = lively(), random_cluster(5, batch=2)
    double = lively().double()
    given = [x.double() if x.is_floating_point() else x for x in cluster]
    for one, arguments in ((model, cluster), (double, given)):
        said = one(*arguments)
        (said.forecast.square().mean() + said.scores.softmax(-1).square().sum()).backward()
    for (name, ours), theirs in zip(model.named_parameters(), double.parameters(), strict=True):
        assert torch.allclose(ours.grad.double(), theirs.grad, rtol=1e-3, atol=1e-5), name
