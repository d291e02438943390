"""The rivals' forecasters: where information goes, what absent nodes change, and that they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.dataset import of_table
from octogym.scheduler.octocross.fit import Fit, FitSettings, forecast_errors
from octogym.scheduler.octocross.ids import SERVER, UNKNOWN, DeviceIds
from octogym.scheduler.octocross.loss import LossWeights
from octogym.scheduler.rivals.file import METHODS, new_model
from octogym.scheduler.rivals.forecasters import ForecasterConfig, GraphForecaster, normalised
from tests.scheduler.rivals.conftest import SMALL

NODES = 5
ALONE = LossWeights(overload=0, label=0, smooth=0, move=0, shares=0)


def model_of(method, nodes=NODES, seed=0):
    graph = np.ones((nodes, nodes), bool) if method == "gnn-lstm" else None
    model = new_model(method, SMALL, seed, graph)
    with torch.no_grad():
        for name, x in model.named_parameters():
            if x.abs().sum() == 0:  # what begins at persistence
                x.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
    return model.eval()


def inputs(nodes=NODES, seed=0):
    draw = torch.Generator().manual_seed(seed)
    history = 20 * torch.rand(1, nodes, SMALL.history, generator=draw)
    ids = torch.full((1, nodes), UNKNOWN)
    ids[0, -1], history[0, -1] = SERVER, 0.0
    views = torch.rand(1, 3, nodes, nodes, generator=draw)
    return [history, torch.full((1, nodes), 10.0), views, torch.ones(1, nodes, dtype=torch.bool), ids]


@pytest.mark.parametrize("method", METHODS)
def test_a_new_model_forecasts_what_is(method):
    given = inputs()
    graph = np.eye(NODES, dtype=bool) if method == "gnn-lstm" else None
    found = new_model(method, SMALL, 0, graph)(*given)
    assert found.forecast.shape == (1, NODES, SMALL.horizon) and found.scores.shape == (1, NODES, NODES)
    torch.testing.assert_close(found.forecast, given[0][..., -1:].expand(-1, -1, SMALL.horizon))


@pytest.mark.parametrize(
    ("method", "crosses"), [("distream-offload", False), ("gnn-lstm", True), ("temp-abl", False), ("spat-abl", True)]
)
@torch.no_grad()
def test_which_forecasters_see_other_nodes(method, crosses):
    model, given = model_of(method), inputs()
    before = model(*given).forecast
    given[0] = given[0].clone()
    given[0][0, 0, :-1] += 3.0
    after = model(*given).forecast
    assert (after[0, 0] != before[0, 0]).any()
    assert bool((after[0, 1] != before[0, 1]).any()) == crosses


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_what_stands_for_absent_nodes_changes_nothing(method):
    model, given = model_of(method), inputs()
    given[3][0, 1] = False
    before = model(*given)
    given[0], given[2] = given[0].clone(), given[2].clone()
    given[0][0, 1], given[2][0, :, 1] = np.nan, np.nan
    after = model(*given)
    assert after.forecast.isfinite().all() and not after.forecast[0, 1].any()
    torch.testing.assert_close(after.forecast, before.forecast)


@torch.no_grad()
def test_spat_abl_knows_nothing_of_places():
    model, given = model_of("spat-abl"), inputs()
    before = model(*given)
    given[2], given[4] = torch.rand_like(given[2]), torch.arange(NODES)[None] + 2
    after = model(*given)
    torch.testing.assert_close(after.forecast, before.forecast)
    assert not after.scores.any()


@torch.no_grad()
def test_temp_abl_keeps_the_learned_decision():
    model, given = model_of("temp-abl"), inputs()
    before = model(*given).scores
    given[2] = torch.rand_like(given[2])
    assert (model(*given).scores != before).any()


def test_another_number_of_nodes_needs_another_graph():
    with pytest.raises(SchedulerError, match=r"6 nodes.*graph of 5.*octogym train gnn-lstm"):
        model_of("gnn-lstm")(*inputs(nodes=6))


def test_the_graph_is_normalised():
    chain = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
    a, b = 1 / np.sqrt(6), 1 / 3
    assert normalised(chain).ravel().tolist() == pytest.approx([0.5, a, 0, a, b, a, 0, a, 0.5], abs=1e-6)
    with pytest.raises(SchedulerError, match="graph"):
        GraphForecaster(ForecasterConfig(), np.ones((2, 3), bool))


@pytest.mark.parametrize("method", METHODS)
def test_a_sine_is_learned(method):
    t = np.arange(400)
    loads = 8 + 5 * np.sin(2 * np.pi * t[:, None] / 24 + np.arange(4))
    sine = of_table("sine", tuple("abcd"), loads, horizon=SMALL.horizon)
    ids = DeviceIds(SMALL.positions)
    ids.add("abcd")
    model = new_model(method, SMALL, 0, np.eye(5, dtype=bool) if method == "gnn-lstm" else None)
    settings = FitSettings(steps=60, batch=8, lr=1e-2, lr_end=1e-3, average=0.8, weights=ALONE)
    fit = Fit(model, [sine], ids, settings)
    while not fit.finished:
        fit.step()
    error, persistence = forecast_errors(model, sine, sine.split.test, ids)
    assert error.mean() < 0.3 * persistence.mean()


def test_bad_sizes_and_methods_are_refused():
    with pytest.raises(SchedulerError, match="hidden = 0"):
        ForecasterConfig(hidden=0)
    with pytest.raises(SchedulerError, match=r"method = 'lstm'.*distream-offload"):
        new_model("lstm", SMALL)
    with pytest.raises(SchedulerError, match="graph"):
        new_model("gnn-lstm", SMALL)
    with pytest.raises(SchedulerError, match=r"history \(1, 5, 3\)"):
        model_of("distream-offload")(torch.zeros(1, 5, 3), *inputs()[1:])
