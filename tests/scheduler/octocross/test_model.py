"""The model: any number of nodes, information across nodes and time, none from nodes that are not there."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from octogym.cluster.errors import MissingExtra
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import PRESETS
from octogym.scheduler.octocross.ids import UNKNOWN
from octogym.scheduler.octocross.loss import decide
from octogym.scheduler.octocross.model import OctoCrossModel

from .situations import SMALL, SPARSE, lively, random_cluster

both = pytest.mark.parametrize("config", [SMALL, SPARSE], ids=["dense", "sparse"])


def close(a, b):
    return torch.allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_run_with_the_same_weights_at_any_size(name):
    model = OctoCrossModel(PRESETS[name])
    with torch.inference_mode():
        for nodes in (8, 16, 26, 100, 200):
            cluster = random_cluster(nodes, config=PRESETS[name])
            prediction = model(*cluster)
            assert prediction.forecast.shape == (1, nodes, PRESETS[name].horizon)
            assert prediction.scores.shape == (1, nodes, nodes)
            moved, shares = decide(prediction, cluster.situation())
            assert torch.isfinite(moved).all() and moved.sum() > 0
            assert torch.allclose(shares.sum(-1), torch.ones(1, nodes), atol=1e-5)


def test_presets_have_the_published_sizes():
    paper, fast = PRESETS["paper"], PRESETS["fast"]
    assert (paper.blocks, paper.heads, paper.history, paper.horizon) == (8, 8, 32, 32)
    assert (fast.blocks, fast.history) == (3, 32) and fast.neighbours and paper.neighbours is None


def test_a_new_model_forecasts_persistence():
    cluster = random_cluster(5)
    forecast = OctoCrossModel(SMALL)(*cluster).forecast
    assert close(forecast, cluster.history[:, :, -1:].expand_as(forecast))


@both
def test_information_crosses_nodes(config):
    model, cluster = lively(config), random_cluster(9, config=config)
    before = model(*cluster)
    changed = cluster.history.clone()
    changed[0, 2, :-1] += 8.0
    after = model(*cluster._replace(history=changed))
    moved = (after.forecast - before.forecast)[0].abs().amax(-1)
    assert (moved > 1e-4).all()
    assert ((after.scores - before.scores)[0].abs() > 1e-6).float().mean() > 0.9


def test_neighbours_carry_information_of_their_own():
    # With the cluster's mean load held, only attention over the nodes can tell which node it was.
    model, cluster = lively(), random_cluster(6, server=False)
    with torch.no_grad():
        model.temporal.value.weight.zero_()
    changed = cluster.history.clone()
    changed[0, 2, :-1] += 8.0
    moved = model(*cluster._replace(history=changed)).forecast - model(*cluster).forecast
    assert (moved[0].abs().amax(-1) > 1e-4).all()


def test_every_view_counts():
    model, cluster = lively(), random_cluster(6)
    with torch.no_grad():
        for block in model.blocks:
            block.view_bias.weight.normal_(generator=torch.Generator().manual_seed(0))
    before = model(*cluster)
    for view in range(3):
        changed = cluster.views.clone()
        changed[:, view, 1, 3] = 1 - changed[:, view, 1, 3]
        after = model(*cluster._replace(views=changed))
        assert not torch.equal(before.forecast, after.forecast)
        assert not torch.equal(before.scores, after.scores)


def test_earlier_samples_count_and_their_order_does():
    model, cluster = lively(), random_cluster(4)
    before = model(*cluster).forecast
    turned = torch.cat((cluster.history[..., :-1].flip(-1), cluster.history[..., -1:]), -1)
    assert not close(before, model(*cluster._replace(history=turned)).forecast)


@both
def test_order_of_nodes_goes_through(config):
    model, cluster = lively(config), random_cluster(9, batch=2, config=config)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    before, after = model(*cluster), model(*cluster.pick(order))
    assert close(before.forecast[:, order], after.forecast)
    assert close(before.scores[:, order][:, :, order], after.scores)
    for x, y in zip(decide(before, cluster.situation()), decide(after, cluster.pick(order).situation()), strict=True):
        assert close(x[:, order][:, :, order], y)


@both
def test_a_masked_node_is_a_deleted_one(config):
    model, cluster = lively(config), random_cluster(9, batch=2, config=config)
    kept = [0, 1, 3, 4, 5, 7, 8]
    valid = torch.zeros(2, 9, dtype=torch.bool)
    valid[:, kept] = True
    # Whatever stands for missing nodes, even no numbers at all, changes nothing.
    history, capacity, views = cluster.history.clone(), cluster.capacity.clone(), cluster.views.clone()
    history[:, [2, 6]], capacity[:, [2, 6]], views[:, :, 2], views[..., 6] = np.nan, 0.0, np.nan, 1e6
    masked = cluster._replace(history=history, capacity=capacity, views=views, valid=valid)
    before, after = model(*masked), model(*cluster.pick(kept))
    assert close(before.forecast[:, kept], after.forecast)
    assert not before.forecast[:, [2, 6]].any()
    assert close(before.scores[:, kept][:, :, kept], after.scores)
    situation = cluster._replace(valid=valid).situation()
    moved, shares = decide(before, situation)
    expected = decide(after, cluster.pick(kept).situation())
    assert close(moved[:, kept][:, :, kept], expected[0]) and close(shares[:, kept][:, :, kept], expected[1])
    assert not moved[:, [2, 6]].any() and not moved[:, :, [2, 6]].any()


def test_a_cluster_without_any_node_is_no_error():
    cluster = random_cluster(4)
    prediction = lively()(*cluster._replace(valid=torch.zeros_like(cluster.valid)))
    assert not prediction.forecast.any() and torch.isfinite(prediction.scores).all()


def test_neighbours_are_the_strongest_by_the_views():
    model, cluster = lively(SPARSE), random_cluster(9, config=SPARSE, server=False)
    views = torch.zeros_like(cluster.views)
    for i in range(9):  # a ring: each node sees itself and the two on each side
        for step in (-2, -1, 1, 2):
            views[:, 1, i, (i + step) % 9] = 0.5
    with torch.no_grad():  # no cluster-wide mean, one block: only neighbours are seen
        model.temporal.value.weight.zero_()
        model.blocks = model.blocks[-1:]
    # Of a last block the values at the last time alone cross nodes.
    changed = cluster.history.clone()
    changed[0, 0, -1] += 8.0
    before = model(*cluster._replace(views=views)).forecast
    moved = (model(*cluster._replace(views=views, history=changed)).forecast - before)[0].abs().amax(-1)
    assert [i for i in range(9) if moved[i] > 1e-5] == [0, 1, 2, 7, 8]


def test_sparse_attention_to_all_is_dense_attention():
    cluster = random_cluster(5, batch=2)
    sparse = lively(replace(SMALL, neighbours=5, dense_nodes=1))
    dense = lively(SMALL)
    dense.load_state_dict(sparse.state_dict())
    for x, y in zip(sparse(*cluster), dense(*cluster), strict=True):
        assert close(x, y)


def test_devices_beyond_the_table_read_the_unknown_row():
    model, cluster = lively(), random_cluster(4, server=False)
    beyond = model(*cluster._replace(ids=torch.full_like(cluster.ids, SMALL.positions + 5)))
    unknown = model(*cluster._replace(ids=torch.full_like(cluster.ids, UNKNOWN)))
    assert torch.equal(beyond.forecast, unknown.forecast)
    assert not torch.equal(beyond.forecast, model(*cluster).forecast)


def test_new_rows_start_at_the_mean_of_the_known():
    model = lively()
    table = model.spatial.positions.weight
    before = table.detach().clone()
    model.spatial.start_rows(torch.tensor([7, 8]), torch.tensor([2, 3, 4]))
    assert torch.allclose(table[7], before[2:5].mean(0)) and torch.equal(table[7], table[8])
    assert torch.equal(table[:7], before[:7])


def test_the_seed_decides_the_weights_and_leaves_the_global_generator():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two, other = (OctoCrossModel(SMALL, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(x, y) for x, y in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.value.weight, other.value.weight)


@pytest.mark.parametrize("name", ["history", "capacity", "views", "valid", "ids"])
def test_shapes_that_do_not_fit_are_refused(name):
    cluster = random_cluster(4)
    with pytest.raises(SchedulerError, match=name):
        lively()(*cluster._replace(**{name: getattr(cluster, name)[..., :-1]}))


def test_a_mask_of_numbers_is_refused():
    cluster = random_cluster(4)
    with pytest.raises(SchedulerError, match="bool"):
        lively()(*cluster._replace(valid=cluster.valid.float()))


@pytest.mark.parametrize("module", ["model", "projection_torch", "loss"])
def test_without_torch_the_extra_is_named(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("octogym.scheduler.octocross.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match="train"):
        importlib.import_module(f"octogym.scheduler.octocross.{module}")
