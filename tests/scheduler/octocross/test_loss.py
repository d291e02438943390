"""The loss: what each term says, gradients everywhere, and a problem that is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.labels import balanced_loads, share_labels
from octogym.scheduler.octocross.loss import LossWeights, Situation, Targets, losses
from octogym.scheduler.octocross.model import OctoCrossModel, Prediction
from octogym.scheduler.octocross.windows import chronological, persistence_error, windows

from .situations import SMALL, SPARSE, lively, random_cluster, targets


def two_nodes(load, capacity=10.0):
    """One window of a full node and one with room, all in doubles."""
    shape = (1, 2, 2)
    return Situation(
        torch.tensor([load], dtype=torch.float64),
        torch.full((1, 2), capacity, dtype=torch.float64),
        torch.ones(shape, dtype=torch.bool),
        torch.ones(1, 2, dtype=torch.bool),
        torch.zeros(1, 2, dtype=torch.bool),
        torch.full(shape, 0.5, dtype=torch.float64),
    )


def test_terms_by_hand():
    # Node 0 has 14 and sends 4 of them; the next loads are 21 and 2, so it sends 6: 15 and 8 remain.
    forecast = torch.tensor([[[14.0, 14.0], [2.0, 4.0]]], dtype=torch.float64)
    prediction = Prediction(forecast, torch.zeros(1, 2, 2, dtype=torch.float64))
    true = torch.tensor([[[21.0, 21.0], [2.0, 2.0]]], dtype=torch.float64)
    label = torch.tensor([[[10.0, 10.0], [13.0, 13.0]]], dtype=torch.float64)
    found = losses(prediction, two_nodes([14.0, 2.0]), Targets(true, label))
    assert found.forecast.item() == pytest.approx((0.7**2 * 2 + 0 + 0.2**2) / 4)
    assert found.overload.item() == pytest.approx(0.5 / 2)
    assert found.label.item() == pytest.approx((0.5**2 + 0.5**2) / 2)
    assert found.smooth.item() == pytest.approx(0.2**2 / 2)
    assert found.move.item() == pytest.approx(4 * 0.5 / 16)
    assert found.shares.item() == 0
    weighted = 2 * found.forecast + found.overload + found.label + 0.5 * found.smooth + 0.05 * found.move
    assert found.total.item() == pytest.approx(weighted.item())


def test_target_shares_are_met_where_the_term_is_least():
    situation = two_nodes([14.0, 2.0])
    forecast = torch.tensor([[[14.0], [2.0]]], dtype=torch.float64)
    prediction = Prediction(forecast, torch.zeros(1, 2, 2, dtype=torch.float64))
    true = forecast
    entropy = -(5 / 7 * np.log(5 / 7) + 2 / 7 * np.log(2 / 7))
    wanted = torch.tensor([[[10 / 14, 4 / 14], [0.0, 1.0]]], dtype=torch.float64)
    found = losses(prediction, situation, Targets(true, None, wanted))
    assert found.shares.item() == pytest.approx(entropy, rel=1e-4)
    assert found.label.item() == 0
    other = torch.tensor([[[7 / 14, 7 / 14], [0.0, 1.0]]], dtype=torch.float64)
    assert losses(prediction, situation, Targets(true, None, other)).shares > found.shares


@pytest.mark.parametrize("config", [SMALL, SPARSE], ids=["dense", "sparse"])
def test_every_parameter_gets_a_gradient(config):
    model = lively(config)
    cluster = random_cluster(9, batch=3, config=config)
    found = losses(model(*cluster), cluster.situation(), targets(cluster, config.horizon))
    found.total.backward()
    silent = [name for name, x in model.named_parameters() if x.grad is None or not x.grad.any()]
    assert silent == []
    assert all(torch.isfinite(x.grad).all() for x in model.parameters())


def test_the_head_is_trained_by_each_decision_term():
    cluster = random_cluster(7, batch=2)
    for term in ("overload", "label", "move"):
        model = lively()
        getattr(losses(model(*cluster), cluster.situation(), targets(cluster)), term).backward()
        assert all(x.grad.any() for x in model.head.parameters())


def test_nodes_that_are_not_there_count_nothing():
    model, cluster = lively(), random_cluster(8)
    kept = [0, 1, 2, 4, 6, 7]
    valid = torch.zeros(1, 8, dtype=torch.bool)
    valid[:, kept] = True
    goal = targets(cluster)
    history, load = cluster.history.clone(), goal.load.clone()
    history[:, [3, 5]], load[:, [3, 5]] = np.nan, np.nan
    masked = cluster._replace(history=history, valid=valid)
    found = losses(model(*masked), masked.situation(), goal._replace(load=load))
    picked = cluster.pick(kept)
    expected = losses(model(*picked), picked.situation(), Targets(goal.load[:, kept], goal.label[:, kept]))
    for x, y in zip(found, expected, strict=True):
        assert x.item() == pytest.approx(y.item(), rel=1e-3, abs=1e-5)


def wandering_crowd(seconds=400, nodes=6):
    """A crowd that goes from node to node: what one has now the next has 4 s later. Loads [T, N]."""
    t = np.arange(seconds)[:, None]
    phase = (t - 4 * np.arange(nodes)) * (2 * np.pi / (4 * nodes))
    noise = np.random.default_rng(0).normal(0, 0.3, (seconds, nodes))
    return np.maximum(7 + 6 * np.sin(phase) + noise, 0)


def test_training_beats_persistence_and_relieves_the_full():
    horizon = 8
    config = OctoCrossConfig(history=12, horizon=horizon, width=16, blocks=2, heads=4, positions=16)
    series = wandering_crowd()
    nodes = series.shape[1]
    times = chronological(len(series), horizon)
    rates, capacity = np.ones(nodes), np.full(nodes, 10.0)
    ids = torch.arange(2, nodes + 2)
    view = 0.5 * torch.ones(3, nodes, nodes) * (1 - torch.eye(nodes))

    def batch(at):
        history, future = windows(series, at, config.history, horizon)
        label = balanced_loads(future.transpose(0, 2, 1), rates, capacity, allow_excess=True).transpose(0, 2, 1)
        now, count = torch.tensor(history[..., -1], dtype=torch.float32), len(at)
        full = torch.full((count, nodes), 10.0)
        edges = torch.ones(count, nodes, nodes, dtype=torch.bool)
        there, servers = torch.ones(count, nodes, dtype=torch.bool), torch.zeros(count, nodes, dtype=torch.bool)
        views = view.expand(count, -1, -1, -1)
        wanted = [share_labels(x, balanced_loads(x, rates, capacity, True)) for x in future.mean(-1)]
        goal = Targets(*(torch.tensor(x, dtype=torch.float32) for x in (future, label, np.stack(wanted))))
        inputs = (torch.tensor(history, dtype=torch.float32), full, views, there, ids.expand(count, -1))
        return inputs, Situation(now, full, edges, there, servers, 1 - views[:, 1]), goal

    model = OctoCrossModel(config)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    rng = np.random.default_rng(0)
    test = batch(times.test)
    with torch.no_grad():
        before = losses(model(*test[0]), *test[1:])
    for _ in range(100):
        inputs, situation, goal = batch(rng.choice(times.train, 6))
        optimiser.zero_grad()
        losses(model(*inputs), situation, goal).total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    with torch.no_grad():
        prediction = model(*test[0])
        after = losses(prediction, *test[1:])
    assert after.total < 0.5 * before.total
    assert after.overload < 0.85 * before.overload
    error = ((prediction.forecast - test[2].load) ** 2).mean((0, 1)).numpy()
    assert error[-1] < 0.3 * persistence_error(series[times.test[0] - 1 :], horizon)[-1]


def test_weights_that_are_zero_leave_their_terms_out():
    cluster = random_cluster(5)
    none = LossWeights(0, 0, 0, 0, 0, 0)
    assert losses(lively()(*cluster), cluster.situation(), targets(cluster), none).total == 0


def test_the_forecast_is_measured_by_known_samples_alone():
    forecast = torch.tensor([[[14.0, 14.0], [2.0, 4.0]]], dtype=torch.float64)
    prediction = Prediction(forecast, torch.zeros(1, 2, 2, dtype=torch.float64))
    true = torch.tensor([[[21.0, 0.0], [2.0, 3.0]]], dtype=torch.float64)
    known = torch.tensor([[[True, False], [True, True]]])
    found = losses(prediction, two_nodes([14.0, 2.0]), Targets(true, known=known))
    assert found.forecast.item() == pytest.approx((0.7**2 + 0 + 0.1**2) / 3)
    everything = losses(prediction, two_nodes([14.0, 2.0]), Targets(true))
    assert everything.forecast.item() == pytest.approx((0.7**2 + 1.4**2 + 0 + 0.1**2) / 4)
    assert everything.overload.item() == found.overload.item()
