"""Rewards and observations of the user's own."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from octogym.cluster.telemetry import Telemetry
from octogym.envs import batching_v0
from octogym.envs.vector import BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend

BOX = spaces.Box(0, 1000, (2,), np.float32)


def on_time(telemetry: Telemetry, rate: np.ndarray, present: np.ndarray) -> np.ndarray:
    return telemetry.on_time - telemetry.dropped_full


def arrivals_and_first(default: np.ndarray, telemetry: Telemetry, rate: np.ndarray, present: np.ndarray) -> np.ndarray:
    return np.stack([telemetry.arrived, default[..., 0]], -1)


def play(steps: int = 6, **settings: object) -> tuple[batching_v0.BatchingParallelEnv, list]:
    backend = ToyBackend(absent={1: (2, 4)})
    env = batching_v0.parallel_env(backend=backend, **settings)
    env.reset(seed=0)
    return env, [env.step({agent: np.zeros(3, np.int64) for agent in env.agents}) for _ in range(steps)]


def test_reward_is_what_the_callable_says() -> None:
    _, steps = play(reward=on_time)
    for _, rewards, _, _, infos in steps:
        for agent, info in infos.items():
            assert rewards[agent] == info["on_time"] - info["dropped_full"] * 1.0


def test_absent_agents_get_nothing_whatever_it_says() -> None:
    _, steps = play(reward=lambda telemetry, rate, present: np.ones(present.shape))
    assert [list(rewards.values()) for _, rewards, *_ in steps[2:4]] == [[1, 0, 1]] * 2


def test_the_episodes_mean_is_of_the_own_reward() -> None:
    _, steps = play(6, horizon=6, reward=on_time)
    mean = np.mean([list(rewards.values()) for _, rewards, *_ in steps])
    assert next(iter(steps[-1][-1].values()))["figures"]["reward_mean"] == pytest.approx(mean)


def test_observation_is_what_the_callable_says() -> None:
    env, steps = play(observation=arrivals_and_first, observation_space=BOX)
    agent, absent = env.possible_agents[0], env.possible_agents[1]
    assert env.observation_space(agent) == BOX and env.state_space.shape == (9,)
    for observations, *_, infos in steps:
        assert observations[agent].tolist() == [infos[agent]["arrived"], 0.5]
        assert env.observation_space(agent).contains(observations[agent])
    assert np.array_equal(steps[3][0][absent], steps[1][0][absent])
    assert env.state_space.contains(env.state())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reward": lambda t, rate, present: np.zeros(2)}, r"reward= returned shape \(2,\); allowed: \(1, 3\)"),
        ({"reward": lambda t, rate, present: present * np.nan}, r"reward= returned nan at \[0, 0\]; allowed: finite"),
        (
            {"observation": lambda *_: np.zeros((1, 3, 5)), "observation_space": BOX},
            r"observation= returned shape \(1, 3, 5\); allowed: \(1, 3, 2\)",
        ),
    ],
)
def test_wrong_results_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        play(**settings)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reward = 3; allowed: a callable"):
        batching_v0.parallel_env(backend=ToyBackend(), reward=3)
    with pytest.raises(ValueError, match=r"observation_space = None; allowed: the gymnasium\.spaces\.Box"):
        batching_v0.parallel_env(backend=ToyBackend(), observation=arrivals_and_first)
    with pytest.raises(ValueError, match="observation_space goes with observation="):
        batching_v0.parallel_env(backend=ToyBackend(), observation_space=BOX)


def test_a_reset_of_one_cluster_leaves_the_others_observations() -> None:
    env = BatchingVectorEnv(
        backend=ToyBackend(num_envs=3), rows="central", observation=arrivals_and_first, observation_space=BOX
    )
    env.reset(seed=0)
    before = env.step(np.zeros((3, 9), np.int64))[0]
    after, _ = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert env.observation_space.contains(after) and after.shape == (3, 6)
    assert np.array_equal(after[[0, 2]], before[[0, 2]]) and not after[1, ::2].any() and before[1, ::2].any()
