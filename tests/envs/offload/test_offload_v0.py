"""The PettingZoo environment: what the suites leave out."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario
from octogym.envs import offload_v0
from octogym.testing import ParallelEnvMixin
from octogym.testing import parallel_env as checks


class TestRules(ParallelEnvMixin):
    """Every rule of `octogym.testing`, with overloads that end steps."""

    seed = 3
    episodes = 2

    def make_env(self) -> offload_v0.OffloadParallelEnv:
        return offload_v0.parallel_env(scenario=load_scenario("campus-8", traces="synthetic"), horizon=25)


def test_the_rules_hold_under_churn(churning: Scenario) -> None:
    def make() -> offload_v0.OffloadParallelEnv:
        return offload_v0.parallel_env(scenario=churning, horizon=60)

    env = make()
    env.reset(seed=0)
    assert any(not env.step(dict.fromkeys(env.agents, np.zeros(4)))[-1]["b"]["present"] for _ in range(3))
    checks.check_spaces(make)
    checks.check_determinism(make)
    checks.check_ownership(make)
    checks.check_ends(make)
    checks.check_absence(make)
    checks.check_accounting(make)


def random_play(env: offload_v0.OffloadParallelEnv, seed: int | None, rng: np.random.Generator) -> list[Any]:
    returned: list[Any] = [env.reset(seed=seed)]
    while env.agents:
        returned.append(env.step({a: rng.uniform(-1, 1, 4).astype(np.float32) for a in env.agents}))
    return returned


def test_episodes_repeat_and_differ(churning: Scenario) -> None:
    plays = []
    for _ in range(2):
        env, rng = offload_v0.parallel_env(scenario=churning), np.random.default_rng(0)
        plays.append([random_play(env, seed, rng) for seed in (5, None, None)])
    for one, two in zip(*plays, strict=True):
        assert [x[1] for x in one[1:]] == [x[1] for x in two[1:]]
        assert all(np.array_equal(x[0][a], y[0][a]) for x, y in zip(one, two, strict=True) for a in x[0])
    rewards = [[x[1]["a"] for x in episode[1:]] for episode in plays[0]]
    assert rewards[0] != rewards[1] and rewards[1] != rewards[2]


def test_names_of_targets_and_devices(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm)
    assert env.possible_agents == ["a", "b", "c"] and env.devices == ("a", "b", "c", "hub")
    assert env.targets("b") == ("b", "c", "a", "hub")


def test_state_is_made_of_named_parts(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm)
    with pytest.raises(ResetNeeded, match="reset"):
        env.state()
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, np.array([0, -1, -1, 0])))
    parts = env.state_dict()
    assert parts["shares"].tolist() == [[0.5, 0, 0, 0.5]] * 3
    assert np.array_equal(env.state(), np.concatenate([x.ravel() for x in parts.values()]))
    assert env.state_space.contains(env.state())
    parts["history"][:] = -1
    assert env.state_dict()["history"].min() >= 0


def test_infos(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm)
    _, infos = env.reset(seed=0)
    assert infos["a"]["t_s"] == 0 and infos["a"]["window_s"] == 0 and infos["a"]["shares"].tolist() == [1, 0, 0, 0]
    _, rewards, _, _, infos = env.step(dict.fromkeys(env.agents, np.array([-1, -1, -1, -1])))
    info = infos["a"]
    assert info["shares"].tolist() == [1, 0, 0, 0] and info["target_mask"].tolist() == [1, 1, 1, 1]
    assert info["window_s"] == info["t_s"] <= 15 and info["interrupted"] == (info["window_s"] < 15)
    assert info["present"] is True and info["mask"] == 1 and info["fresh"] is True and info["age_s"] == 0
    assert info["team_reward"] == rewards["a"] == rewards["b"] and info["capacity"] == pytest.approx(142.2, abs=0.1)
    assert info["offloaded"] == 0 and "figures" not in info
    while env.agents:
        *_, infos = env.step(dict.fromkeys(env.agents, np.array([0, 0, 0, 0])))
    assert infos["c"]["figures"]["seconds"] == 40 and infos["c"]["figures"]["offloaded"] > 0


def test_bad_actions_and_calls(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm)
    with pytest.raises(ResetNeeded):
        env.step({})
    env.reset(seed=0)
    good = {agent: np.zeros(4, np.float32) for agent in env.agents}
    for bad, text in (
        ({**good, "b": np.zeros(3)}, "action of 'b' = .*; allowed: 4 numbers from -1 to 1"),
        ({**good, "b": np.full(4, 2.0)}, "action of 'b' = .*; allowed: 4 numbers from -1 to 1"),
        ({**good, "b": np.array([None] * 4)}, "action of 'b'"),
        ({"a": good["a"]}, r"no action for \['b', 'c'\]"),
        ({**good, "x": good["a"]}, r"unknown agents \['x'\]"),
    ):
        with pytest.raises(ValueError, match=text):
            env.step(bad)


def test_a_copy_is_made_from_the_same_arguments(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario="city-8", top_k=2, horizon=30)
    twin = pickle.loads(pickle.dumps(env))
    assert twin.targets("node01") == env.targets("node01") and twin.action_space("node01").shape == (4,)


def test_the_load_can_be_drawn_anew(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm, randomise={"load": [0.5, 2.0]}, interrupt=False)
    generated = set()
    for seed in range(8):
        env.reset(seed=seed)
        generated.add(env.step(dict.fromkeys(env.agents, np.zeros(4)))[-1]["a"]["results_generated"])
    assert 0 < min(generated) < 0.3 * max(generated)
