"""One learner: an agent among others, or the controller of all."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from octogym.envs import batching_v0
from octogym.envs.single_agent import BatchingCentralEnv, BatchingEnv
from tests.envs.toy_backend import ToyBackend
from tests.envs.toy_policy import Sets

SECOND = "node-1/watch.detector"


def parallel() -> batching_v0.BatchingParallelEnv:
    return batching_v0.parallel_env(backend=ToyBackend(absent={0: (3, 5)}))


def test_one_agent_sees_what_it_sees_in_the_parallel_environment() -> None:
    env = BatchingEnv(backend=ToyBackend(absent={0: (3, 5)}), agent=SECOND, others=Sets(4))
    whole = parallel()
    assert env.action_space == whole.action_space(SECOND) and env.observation_space == whole.observation_space(SECOND)
    observation, info = env.reset(seed=3)
    expected, infos = whole.reset(seed=3)
    assert np.array_equal(observation, expected[SECOND]) and info == infos[SECOND]
    for k in range(20):
        action = np.array([0, k % 16, 0])
        observation, reward, terminated, truncated, info = env.step(action)
        actions = {agent: np.array([0, 3, 0]) for agent in whole.agents}
        # Sets leaves packing and threads alone; they are 1 and (1, 1) anyway.
        expected, rewards, _, truncations, infos = whole.step({**actions, SECOND: action})
        assert np.array_equal(observation, expected[SECOND]) and reward == rewards[SECOND] and info == infos[SECOND]
        assert type(reward) is float and terminated is False and truncated is truncations[SECOND] is (k == 19)
    with pytest.raises(ResetNeeded):
        env.step(action)


def test_the_controller_has_all_agents() -> None:
    env, whole = BatchingCentralEnv(backend=ToyBackend(absent={0: (3, 5)})), parallel()
    assert env.action_space == spaces.MultiDiscrete([2, 8, 2, 1, 16, 4, 4, 4, 2])
    assert env.observation_space.shape == (24,)
    observation, info = env.reset(seed=3)
    expected, infos = whole.reset(seed=3)
    for _ in range(6):
        action = env.action_space.sample()
        observation, reward, _, _, info = env.step(action)
        expected, rewards, _, _, infos = whole.step(dict(zip(whole.agents, action.reshape(3, 3), strict=True)))
        assert np.array_equal(observation, np.concatenate(list(expected.values())))
        there = [agent for agent in whole.agents if infos[agent]["present"]]
        assert reward == pytest.approx(sum(rewards.values()) / len(there))
        assert info["present"].tolist() == [infos[agent]["present"] for agent in whole.agents]
        assert info["queues"].tolist() == [list(infos[agent]["queues"]) for agent in whole.agents]
        assert info["results_late"] == infos[SECOND]["results_late"] and info["t_s"] == infos[SECOND]["t_s"]


def test_the_controllers_last_info_has_the_figures() -> None:
    env = BatchingCentralEnv(backend=ToyBackend(), horizon=2)
    env.reset(seed=0)
    assert "figures" not in env.step(env.action_space.sample())[-1]
    assert env.step(env.action_space.sample())[-1]["figures"]["seconds"] == 2


def test_the_first_agent_learns_if_none_is_named_and_unknown_ones_are_refused() -> None:
    env = BatchingEnv(backend=ToyBackend(), others=None)
    assert env.action_space == spaces.MultiDiscrete([2, 8, 2])
    with pytest.raises(ValueError, match=r"agent = 'nobody'; allowed: node-0/watch\.detector, node-1"):
        BatchingEnv(backend=ToyBackend(), agent="nobody", others=None)


@pytest.mark.parametrize("value", [[0, 0], [0.5, 0, 0], [0, 0, 9], 3])
def test_bad_actions_are_refused(value: object) -> None:
    env = BatchingEnv(backend=ToyBackend(), others=None)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"allowed"):
        env.step(np.array(value))


def test_masks_of_a_shared_space() -> None:
    env = BatchingEnv(backend=ToyBackend(), others=None, homogeneous=True)
    assert env.action_space == spaces.MultiDiscrete([4, 16, 4])
    two, eight = [True] * 2 + [False] * 2, [True] * 8 + [False] * 8
    assert env.action_masks().tolist() == two + eight + two


def test_made_by_gymnasium() -> None:
    env = gymnasium.make("octogym:octogym/Batching-v0", agent="server/traffic.carbrand", others=None, horizon=3)
    env.reset(seed=0)
    for _ in range(3):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
    assert truncated and not terminated and observation.shape == (8,)
    env.close()
