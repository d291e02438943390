"""Training IPPO and MAPPO on a small scenario."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from octogym.agents.ppo.policy import PpoPolicy
from octogym.cluster.errors import MissingExtra
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError, read_tensors
from octogym.train.checkpoint import STATE_FILE
from octogym.train.ppo import PpoConfig, train_ppo
from octogym.train.ppo.learner import Learner
from octogym.train.progress import Progress
from octogym.train.settings import SettingError
from tests.train.ppo.stopped import stop_at

# Rollouts of 16, 16 and 8 windows in each episode.
TINY = {"num_envs": 2, "horizon": 40, "rollout": 16, "quiet": True}
METHODS = pytest.mark.parametrize("method", ["ippo", "mappo"])


@METHODS
def test_training_beats_what_it_began_with(scenario, method):
    result = train_ppo(PpoConfig(scenario, method, num_envs=6, horizon=40, rollout=20, episodes=8, quiet=True))
    assert len(result.history) == 8 and not result.interrupted and result.file is None
    first, last = result.history[0], result.history[-1]
    assert last["reward"] > first["reward"] + 0.25
    assert last["on_time"] > 2 * first["on_time"]


@METHODS
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(scenario, method, tmp_path):
    def trained(name, **settings):
        return train_ppo(PpoConfig(scenario, method, tmp_path / name, episodes=2, **TINY, **settings)).file

    one, two, other = trained("one"), trained("two"), trained("other", seed=1)
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    about = read_tensors(one, "ppo").about
    assert (
        isinstance(about["sample"], bool)
        and about["scenario"] == "traffic-2"
        and about["method"] == method
        and about["steps"] == 2 * 40 * 2 * 5
    )


@METHODS
@pytest.mark.parametrize(("owner", "name", "call"), [(Progress, "advance", 2), (Learner, "act", 95)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(scenario, method, owner, name, call, tmp_path, monkeypatch):
    whole = train_ppo(PpoConfig(scenario, method, tmp_path / "whole", episodes=4, **TINY))
    with monkeypatch.context() as patch:
        stop_at(patch, owner, name, call)
        part = train_ppo(PpoConfig(scenario, method, tmp_path / "part", episodes=4, **TINY))
    assert part.interrupted and len(part.history) == 2
    rest = train_ppo(PpoConfig(scenario, method, tmp_path / "part", episodes=4, resume=True, **TINY))
    assert not rest.interrupted and rest.history == whole.history
    assert rest.file.read_bytes() == whole.file.read_bytes()
    assert (tmp_path / "part" / STATE_FILE).read_bytes() == (tmp_path / "whole" / STATE_FILE).read_bytes()


def test_another_training_or_a_damaged_state_is_not_gone_on_with(scenario, tmp_path):
    train_ppo(PpoConfig(scenario, out=tmp_path, episodes=1, **TINY))
    with pytest.raises(TensorFileError, match=r"another training \(episodes = 1, now 2; gamma = 0.1, now 0.5\)"):
        train_ppo(PpoConfig(scenario, out=tmp_path, episodes=2, gamma=0.5, resume=True, **TINY))
    with pytest.raises(SettingError, match="resume=True"):
        train_ppo(PpoConfig(scenario, out=tmp_path, episodes=1, **TINY))
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:-7])
    with pytest.raises(TensorFileError, match=r"state.safetensors"):
        train_ppo(PpoConfig(scenario, out=tmp_path, episodes=1, resume=True, **TINY))


def test_a_horizon_cuts_off_with_the_value_of_the_state_it_cuts_off_in(scenario, monkeypatch):
    seen = []
    learn = Learner.learn
    monkeypatch.setattr(
        Learner, "learn", lambda self, rollout, *rest: (seen.append(rollout), learn(self, rollout, *rest))[1]
    )
    train_ppo(PpoConfig(scenario, episodes=2, **TINY))
    assert [len(rollout.reward) for rollout in seen] == [16, 16, 8] * 2
    for before, after in pairwise(seen):
        within = after is not seen[3]
        assert np.array_equal(before.observation[-1], after.observation[0]) == within
    # The last state of an episode is that after 40 windows, not the first of the next.
    assert (seen[2].observation[-1, ..., 3] > 0).any() and (seen[3].observation[0, ..., 3] == 0).all()


def test_what_was_trained_is_a_policy_that_decides_as_in_training(scenario, tmp_path, monkeypatch):
    file = train_ppo(PpoConfig(scenario, out=tmp_path, episodes=2, **TINY)).file
    seen = []
    monkeypatch.setattr(Learner, "learn", lambda self, rollout, *rest: seen.append(rollout) or {"loss/policy": 0.0})
    # An untrained learner with the trained weights, in the environments of seed 1 000 000.
    arrays = read_tensors(file).arrays
    monkeypatch.setattr("octogym.agents.ppo.network.initial", lambda *args: {n: a.copy() for n, a in arrays.items()})
    train_ppo(PpoConfig(scenario, episodes=1, **TINY))
    actions = np.concatenate([rollout.action for rollout in seen])
    assert actions.shape == (40, 2, 5, 3)
    runner = Runner(make_backend("sim", scenario, num_envs=2), PpoPolicy(f"{file},sample"))
    for action, window in zip(actions, runner.windows(40, 1_000_000), strict=True):
        assert np.array_equal(window.decision.pack, action[..., 0] + 1)
        assert np.array_equal(window.decision.batch, action[..., 1] + 1)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"method": "dqn"}, "method = 'dqn'; allowed: 'ippo' or 'mappo'"),
        ({"reward": "mine"}, "reward = 'mine'"),
        ({"episodes": 0}, "episodes = 0"),
        ({"episodes": 500_000}, "episodes = 500000; allowed: at most 124999"),
        ({"gamma": 1.5}, "gamma = 1.5; allowed: a number from 0 to 1"),
        ({"lr": 0}, "lr = 0; allowed: a number above 0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_settings_are_checked(settings, problem):
    with pytest.raises(SettingError, match=problem):
        PpoConfig(**settings)


def test_a_missing_torch_names_its_extra(scenario, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r'pip install "octogym\[train\]"'):
        train_ppo(PpoConfig(scenario, episodes=1, **TINY))
