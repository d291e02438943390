"""Training FCPO: the same again, resumed, federated, and what it leaves."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octogym.agents.fcpo.file import read_fcpo
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.agents.onboard import IAgentConfig
from octogym.cluster.registry import load_scenario
from octogym.cluster.runner import PolicyConflict
from octogym.cluster.tensor_file import TensorFileError
from octogym.fed.config import FedConfig
from octogym.train.checkpoint import STATE_FILE
from octogym.train.fcpo import training
from octogym.train.fcpo.training import HISTORY_FILE, FcpoTraining, train_fcpo
from octogym.train.settings import SettingError

QUICK = FcpoTraining(
    "scale-4",
    seeds=(3, 4),
    episodes=6,
    settings=FcpoSettings(IAgentConfig(steps=10, steps_growth=5, steps_max=20, capacity=8)),
    fed=FedConfig(fraction=1.0),
    horizon_s=40,
    save_every=1,
    quiet=True,
)


def same_file(a: Path, b: Path) -> bool:
    one, other = read_fcpo(a), read_fcpo(b)
    return one.agents.keys() == other.agents.keys() and all(
        np.array_equal(array, other.agents[agent][name])
        for agent, arrays in one.agents.items()
        for name, array in arrays.items()
    )


@pytest.mark.parametrize("federated", [True, False])
def test_the_same_seed_gives_the_same_agents(federated: bool, tmp_path: Path) -> None:
    config = replace(QUICK, federated=federated)
    first = train_fcpo(replace(config, out=tmp_path / "a"))
    again = train_fcpo(replace(config, out=tmp_path / "b"))
    assert first.finished and (tmp_path / "a" / HISTORY_FILE).read_text() == (tmp_path / "b" / HISTORY_FILE).read_text()
    assert all(same_file(first.files[seed], again.files[seed]) for seed in (3, 4))
    assert not same_file(first.files[3], first.files[4])
    assert (first.history["rounds"] > 0).any() == federated


@pytest.mark.parametrize("federated", [True, False])
def test_a_system_learns_alike_alone_and_beside_others(federated: bool, tmp_path: Path) -> None:
    both = train_fcpo(replace(QUICK, federated=federated, out=tmp_path / "a"))
    alone = train_fcpo(replace(QUICK, federated=federated, seeds=(4,), out=tmp_path / "b"))
    # Of the two systems the slower sets the end: compare what both have lived through.
    n = min(int((both.history["seed"] == 4).sum()), len(alone.history["seed"]))
    mine = both.history["seed"] == 4
    for name in ("reward", "on_time_share", "loss", "rounds"):
        assert np.array_equal(both.history[name][mine][:n], alone.history[name][:n], equal_nan=True)


@pytest.mark.parametrize("federated", [True, False])
def test_stopped_and_gone_on_is_as_never_stopped(federated: bool, tmp_path: Path, monkeypatch) -> None:
    config = replace(QUICK, federated=federated)
    whole = train_fcpo(replace(config, out=tmp_path / "whole"))
    live_on = training._Training.live_on

    def stopped(self, progress):
        live_on(self, progress)
        if self.episode == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training._Training, "live_on", stopped)
    part = train_fcpo(replace(config, out=tmp_path / "parts"))
    assert not part.finished
    monkeypatch.setattr(training._Training, "live_on", live_on)
    rest = train_fcpo(replace(config, out=tmp_path / "parts", resume=True))
    assert rest.finished and all(same_file(whole.files[seed], rest.files[seed]) for seed in (3, 4))
    for name in whole.history:
        assert np.array_equal(whole.history[name], rest.history[name], equal_nan=True), name


def test_going_on_with_another_training_is_refused(tmp_path: Path) -> None:
    train_fcpo(replace(QUICK, episodes=1, out=tmp_path))
    with pytest.raises(TensorFileError, match="federated = True, now False"):
        train_fcpo(replace(QUICK, episodes=2, out=tmp_path, resume=True, federated=False))
    with pytest.raises(SettingError, match="out"):
        train_fcpo(replace(QUICK, out=tmp_path))
    (tmp_path / STATE_FILE).write_bytes(b"x")
    with pytest.raises(TensorFileError):
        train_fcpo(replace(QUICK, episodes=2, out=tmp_path, resume=True))


def test_parallel_environments_share_their_agents(tmp_path: Path) -> None:
    result = train_fcpo(replace(QUICK, seeds=(3,), envs=3, out=tmp_path))
    assert result.policy.population.num_agents == result.policy.population.cluster.S
    assert result.policy.population.rows == 3 and result.history["generated"].min() > 0


def test_federated_rounds_are_reported(tmp_path: Path) -> None:
    result = train_fcpo(QUICK)
    assert {seed for seed, _ in result.rounds} == {3, 4}
    for _, report in result.rounds:
        assert report.participants and report.bytes_up > 0 and report.duration_ns > 0
    # Agents of one shape that were in the last round together share their backbone's history: episodes have grown.
    assert result.policy.lengths.max() > 10


def test_hierarchical_training_runs(tmp_path: Path) -> None:
    result = train_fcpo(replace(QUICK, hierarchical=True, fed=FedConfig(fraction=1.0, cloud_every=1)))
    assert {report.cluster for _, report in result.rounds} == {
        device.type.name for device in result.policy.population.cluster.devices
    }


@pytest.mark.parametrize(
    ("change", "name"), [({"episodes": 0}, "episodes"), ({"seeds": (1, 1)}, "seeds"), ({"board": True}, "board")]
)
def test_settings_are_checked(change, name) -> None:
    with pytest.raises(SettingError, match=name):
        replace(QUICK, **change)


def test_a_warm_start_begins_with_the_checkpoints_agents(tmp_path: Path) -> None:
    first = train_fcpo(replace(QUICK, seeds=(3,), out=tmp_path / "a"))
    config = replace(QUICK, seeds=(5,), episodes=1, warm=first.files[3])
    begun = training._Training(config)
    agents = read_fcpo(first.files[3]).agents
    for _, s, stack, i in begun.policy.population.members():
        ours = agents[begun.world.cluster.instances[s].id]
        assert all(np.array_equal(array, ours[name]) for name, array in stack.get(i).items())


def test_others_may_decide_beside_the_agents(tmp_path: Path) -> None:
    rack = load_scenario("campus-16-rack", traces="synthetic", split="train")
    config = replace(QUICK, scenario=rack, federated=False, seeds=(3,), episodes=1)
    alone = train_fcpo(replace(config, out=tmp_path / "alone"))
    under = replace(config, beside=("octocross:campus,shares",))
    both = train_fcpo(replace(under, out=tmp_path / "both"))
    again = train_fcpo(replace(under, out=tmp_path / "again"))
    assert same_file(both.files[3], again.files[3]) and not same_file(both.files[3], alone.files[3])
    with pytest.raises(PolicyConflict, match="octocross"):
        train_fcpo(replace(config, beside=("octocross:campus",), out=tmp_path / "conflict"))
