"""Training of the rivals: a file their policies take, the loss that counts, and the same after a pause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import load_scenario
from octogym.scheduler.octocross.dataset import of_scenario
from octogym.scheduler.octocross.fit import FitSettings
from octogym.scheduler.rivals.ablations import SpatAblPolicy, TempAblPolicy
from octogym.scheduler.rivals.distream import DistreamOffloadPolicy
from octogym.scheduler.rivals.file import read_rival
from octogym.scheduler.rivals.gnn_lstm import GnnLstmPolicy
from octogym.train.octocross import training as octocross
from octogym.train.octocross.forecasters import NEIGHBOURS, ForecasterTraining, topology, train_forecaster
from octogym.train.settings import SettingError

POLICIES = {
    "distream-offload": DistreamOffloadPolicy,
    "gnn-lstm": GnnLstmPolicy,
    "temp-abl": TempAblPolicy,
    "spat-abl": SpatAblPolicy,
}
FEW = FitSettings(steps=6, batch=2, validate_every=3, validation_windows=2)


@pytest.fixture(scope="module")
def campus():
    return replace(load_scenario("campus-8", traces="synthetic", split="train"), horizon_s=120)


def training(campus, method, out=None, **more):
    return ForecasterTraining(campus, episodes=1, settings=FEW, method=method, out=out, quiet=True, **more)


@pytest.mark.parametrize("method", POLICIES)
def test_leaves_what_its_policy_takes(method, campus, tmp_path):
    result = train_forecaster(training(campus, method, tmp_path))
    assert result.steps == FEW.steps and not result.interrupted
    found = read_rival(result.file, method)
    assert found.about["method"] == method and found.about["steps"] == FEW.steps
    for name, x in result.model.state_dict().items():
        assert np.array_equal(found.model.state_dict()[name], x)
    policy = POLICIES[method](str(result.file))
    policy.reset(campus.cluster, 1, 0)
    # Only the one that has a decision to learn has a loss of decisions.
    others = result.history["total"] - FEW.weights.forecast * result.history["forecast"]
    others -= FEW.weights.smooth * result.history["smooth"]
    assert bool((abs(others) > 1e-4).any()) == (method == "temp-abl")


def test_goes_on_as_if_nothing_had_been(campus, tmp_path, monkeypatch):
    whole = train_forecaster(training(campus, "gnn-lstm", tmp_path / "whole"))

    class StopsAtThree(octocross.Stopping):
        @property
        def asked(self):
            done["looks"] += 1
            return done["looks"] > 3

        @asked.setter
        def asked(self, value):
            pass

    done = {"looks": 0}
    with monkeypatch.context() as patched:
        patched.setattr(octocross, "Stopping", StopsAtThree)
        half = train_forecaster(training(campus, "gnn-lstm", tmp_path / "half"))
    assert half.interrupted and half.steps == 3
    rest = train_forecaster(training(campus, "gnn-lstm", tmp_path / "half", resume=True))
    assert rest.steps == FEW.steps
    assert rest.file.read_bytes() == whole.file.read_bytes()


def test_gnn_lstm_learns_one_cluster(campus, tmp_path):
    with pytest.raises(SettingError, match="one cluster"):
        train_forecaster(training(campus, "gnn-lstm", series=("synthetic",)))


def test_another_methods_run_is_not_gone_on_with(campus, tmp_path):
    train_forecaster(training(campus, "distream-offload", tmp_path))
    with pytest.raises(ValueError, match="distream-offload"):
        train_forecaster(training(campus, "spat-abl", tmp_path, resume=True))


def test_the_graph_joins_neighbours_and_servers(campus):
    series = of_scenario(campus, 0)
    graph = topology(series)
    assert (graph[:, ~series.servers].sum(1)[~series.servers] == NEIGHBOURS).all()
    assert graph[~series.servers][:, series.servers].all()
    assert series.nodes[-1] == "server" and len(graph) == OffloadLayout(campus.cluster, top_k=8).M


def test_another_method_is_refused(campus):
    with pytest.raises(SettingError, match="method = 'lstm'"):
        training(campus, "lstm")
