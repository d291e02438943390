"""Training BCEdge."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from octogym.agents.bcedge import network
from octogym.agents.bcedge.policy import BCEdgePolicy
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError, read_tensors
from octogym.train.bcedge.training import Agent, BCEdgeConfig, train_bcedge
from octogym.train.bcedge.world import World
from octogym.train.checkpoint import STATE_FILE
from octogym.train.progress import Progress
from octogym.train.settings import SettingError
from tests.cluster.small_scenario import write

torch = pytest.importorskip("torch")

TINY = {"updates": 3, "experiences": 64, "quiet": True}


def test_each_device_types_agent_learns(scenario):
    result = train_bcedge(BCEdgeConfig(scenario, updates=40, experiences=500, quiet=True))
    assert sorted(result.history) == ["orin-nano", "rtx3090-server", "xavier-nx"] and not result.interrupted
    for kind in ("orin-nano", "xavier-nx"):
        history = result.history[kind]
        assert np.mean(history[-5:]) > np.mean(history[:5]) + 0.03, kind
    # Two instances at once are beyond the SLO for larger batches; one never is.
    weights = {n[len("orin-nano/") :]: a for n, a in result.parameters.items() if n.startswith("orin-nano/")}
    world = World(scenario.cluster, "orin-nano", network.INPUTS, "images")
    assert network.probabilities(weights, world.states)["concurrency"][:, 0].min() > 0.9


def test_learning_and_acting_agree_and_every_weight_learns(scenario):
    agent = Agent(BCEdgeConfig(scenario, experiences=200), 0, torch)
    world = World(scenario.cluster, "orin-nano", network.INPUTS, "images")
    before = agent.arrays()
    logs, _ = agent.forward(torch.from_numpy(world.states))
    chances = network.probabilities(before, world.states)
    for log, chance in zip(logs, chances.values(), strict=True):
        assert np.abs(log.detach().exp().numpy() - chance).max() < 1e-6
    agent.update(world, 0)
    assert all(not np.array_equal(before[name], array) for name, array in agent.arrays().items())


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(scenario, tmp_path):
    def trained(name, **settings):
        return train_bcedge(BCEdgeConfig(scenario, tmp_path / name, **TINY, **settings)).file.read_bytes()

    assert trained("one") == trained("two") != trained("three", seed=1)


@pytest.mark.parametrize("call", [2, 5])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(scenario, tmp_path, monkeypatch, call):
    whole = train_bcedge(BCEdgeConfig(scenario, tmp_path / "whole", **TINY))
    with monkeypatch.context() as patch:
        advance, calls = Progress.advance, []

        def counted(*args, **kwargs):
            calls.append(0)
            if len(calls) == call:
                signal.raise_signal(signal.SIGINT)
            return advance(*args, **kwargs)

        patch.setattr(Progress, "advance", counted)
        part = train_bcedge(BCEdgeConfig(scenario, tmp_path / "part", **TINY))
    assert part.interrupted and sum(map(len, part.history.values())) == call
    rest = train_bcedge(BCEdgeConfig(scenario, tmp_path / "part", resume=True, **TINY))
    assert not rest.interrupted and rest.history == whole.history
    assert rest.file.read_bytes() == whole.file.read_bytes()
    assert (tmp_path / "part" / STATE_FILE).read_bytes() == (tmp_path / "whole" / STATE_FILE).read_bytes()


def test_another_training_is_not_gone_on_with(scenario, tmp_path):
    train_bcedge(BCEdgeConfig(scenario, tmp_path, **TINY))
    with pytest.raises(TensorFileError, match=r"another training \(throughput = 'images', now 'batches'\)"):
        train_bcedge(BCEdgeConfig(scenario, tmp_path, throughput="batches", resume=True, **TINY))
    with pytest.raises(SettingError, match="resume=True"):
        train_bcedge(BCEdgeConfig(scenario, tmp_path, **TINY))


def test_what_was_trained_is_a_policy(scenario, tmp_path):
    file = train_bcedge(BCEdgeConfig(scenario, tmp_path, **TINY)).file
    about = read_tensors(file, "bcedge").about
    assert about["steps"] == 3 * 3 * 64 and about["scenario"] == "traffic-2"
    assert sorted(about["last"]) == about["device_types"] == ["orin-nano", "rtx3090-server", "xavier-nx"]
    for window in Runner(make_backend("sim", scenario), BCEdgePolicy(str(file))).windows(5, 0):
        assert (window.decision.batch > 0).all()


def test_models_of_other_scenarios_need_their_inputs(tmp_path):
    gate = load_scenario(write(tmp_path))
    with pytest.raises(SettingError, match=r"also detector: \(channels, height, width\)"):
        train_bcedge(BCEdgeConfig(gate, **TINY))
    inputs = {"detector": (3, 640, 640), "plate": (3, 224, 224), "read": (1, 64, 64)}
    result = train_bcedge(BCEdgeConfig(gate, tmp_path / "run", inputs=inputs, **TINY))
    BCEdgePolicy(str(result.file)).reset(gate.cluster, 1, 0)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"throughput": "frames"}, "throughput = 'frames'; allowed: 'images' or 'batches'"),
        ({"experiences": 1}, "experiences = 1; allowed: a whole number from 2"),
        ({"clip": 0}, "clip = 0; allowed: a number above 0"),
        ({"lam": 2}, "lam = 2"),
    ],
)
def test_settings_are_checked(settings, problem):
    with pytest.raises(SettingError, match=problem):
        BCEdgeConfig(**settings)
