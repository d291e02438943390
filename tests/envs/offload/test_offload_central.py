"""One controller of the whole cluster."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from octogym.cluster.scenario import Scenario
from octogym.envs import offload_v0
from octogym.envs.offload.central import OffloadCentralEnv


def test_it_is_the_parallel_environment(churning: Scenario) -> None:
    one, many = OffloadCentralEnv(churning), offload_v0.parallel_env(scenario=churning)
    rng = np.random.default_rng(0)
    seen, info = one.reset(seed=2)
    _, infos = many.reset(seed=2)
    for _ in range(2):
        over = False
        while not over:
            assert np.array_equal(seen, many.state()) and one.observation_space.contains(seen)
            for key in ("present", "load", "shares", "target_mask", "offloaded"):
                assert np.array_equal(info[key], [infos[a][key] for a in many.possible_agents])
            action = rng.uniform(-1, 1, 12).astype(np.float32)
            seen, reward, terminated, over, info = one.step(action)
            _, _, _, truncations, infos = many.step(dict(zip(many.agents, action.reshape(3, 4), strict=True)))
            assert not terminated and over == truncations["a"] and reward == infos["a"]["team_reward"]
        assert info["figures"] == pytest.approx(infos["a"]["figures"], rel=0, nan_ok=True)
        with pytest.raises(ResetNeeded):
            one.step(action)
        seen, info = one.reset()
        _, infos = many.reset()


def test_gymnasium_makes_it_and_bad_actions_are_refused(calm: Scenario) -> None:
    env = gymnasium.make("octogym:octogym/OffloadCentral-v0", scenario=calm)
    env.reset(seed=0)
    assert env.action_space.shape == (12,) and env.unwrapped.scenario is calm
    with pytest.raises(ValueError, match=r"action of shape \(11,\); allowed: \(12,\)"):
        env.unwrapped.step(np.zeros(11, np.float32))
    with pytest.raises(ValueError, match="action of 'a'"):
        env.unwrapped.step(np.full(12, 3.0))
    env.close()
