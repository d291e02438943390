"""The native Stable-Baselines3 VecEnv."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", exc_type=ImportError)

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecCheckNan, VecMonitor, VecNormalize

from octogym.envs.adapters.sb3 import BatchingVecEnv
from octogym.envs.vector import BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend
from tests.envs.toy_policy import Sets

E, HORIZON = 3, 4


def settings(rows: str, **more: Any) -> dict[str, Any]:
    return {"backend": ToyBackend(num_envs=E), "rows": rows, "others": None, "horizon": HORIZON, **more}


def actions(env: Any, k: int) -> np.ndarray:
    env.action_space.seed(k)
    return np.stack([env.action_space.sample() for _ in range(env.num_envs)])


@pytest.mark.parametrize("rows", ["agents", "envs", "central"])
def test_it_is_the_vector_environment_with_same_step_resets(rows: str) -> None:
    env = BatchingVecEnv(**settings(rows))
    twin = BatchingVectorEnv(**settings(rows), autoreset_mode="SameStep")
    env.seed(5)
    assert np.array_equal(env.reset(), twin.reset(seed=5)[0])
    for k in range(2 * HORIZON + 1):
        chosen = actions(env, k)
        observations, rewards, dones, infos = env.step(chosen)
        expected = twin.step(chosen)
        assert np.array_equal(observations, expected[0]) and np.array_equal(rewards, expected[1])
        assert np.array_equal(dones, expected[3]) and dones.dtype == bool and rewards.dtype == np.float32
        assert all(isinstance(info, dict) for info in infos)
        if dones.any():
            assert dones.all()
            for row, info in enumerate(infos):
                assert info["TimeLimit.truncated"] is True
                assert np.array_equal(info["terminal_observation"], expected[4]["final_obs"][row])
                assert info["figures"]["seconds"] == HORIZON and info["t_s"] == HORIZON
                assert env.reset_infos[row]["t_s"] == 0
        else:
            assert "terminal_observation" not in infos[0] and not infos[0].get("TimeLimit.truncated", False)
            assert np.array_equal(infos[0]["rate"], expected[4]["rate"][0])


def test_truncation_bootstraps() -> None:
    """SB3 adds gamma * V(terminal observation) to the reward of a step that a time limit ended, and of no other."""
    env = BatchingVecEnv(**settings("agents", reward=lambda telemetry, rate, present: np.zeros(present.shape)))
    model = PPO("MlpPolicy", env, n_steps=HORIZON, batch_size=12, n_epochs=1, gamma=0.9, seed=0, device="cpu")
    model.learn(HORIZON * env.num_envs)
    rewards = model.rollout_buffer.rewards
    assert not rewards[:-1].any() and rewards[-1].all()


def test_learning_with_a_seed_repeats() -> None:
    weights = []
    for _ in range(2):
        env = VecMonitor(BatchingVecEnv(**settings("agents")))
        model = PPO("MlpPolicy", env, n_steps=8, batch_size=24, n_epochs=1, seed=3, device="cpu").learn(72)
        weights.append(model.policy.state_dict()["action_net.weight"].numpy().copy())
        assert model.ep_info_buffer[-1]["l"] == HORIZON
    assert np.array_equal(*weights)


def test_seeds_are_per_cluster_whatever_the_rows() -> None:
    for rows in ("agents", "envs"):
        env = BatchingVecEnv(**settings(rows))
        twin = BatchingVectorEnv(**settings(rows))
        env.seed(11)
        assert np.array_equal(env.reset(), twin.reset(seed=11)[0])
        chosen = actions(env, 0)
        assert np.array_equal(env.step(chosen)[0], twin.step(chosen)[0])
        # Without a new seed the random sequences go on.
        assert np.array_equal(env.reset(), twin.reset()[0])


def test_options_reach_the_backend_once() -> None:
    env = BatchingVecEnv(**settings("envs"))
    env.set_options({"trace_offset_s": 5})
    env.reset()
    assert env.backend.options == {"trace_offset_s": 5}
    env.reset()
    assert env.backend.options == {}
    env.set_options([{"trace_offset_s": 5}, {}, {}])
    with pytest.raises(ValueError, match="options differ"):
        env.reset()


def test_wrappers_and_attributes() -> None:
    env = VecNormalize(VecCheckNan(BatchingVecEnv(**settings("agents", render_mode="rgb_array")), raise_exception=True))
    env.reset()
    env.step(actions(env, 0))
    assert env.get_attr("render_mode") == ["rgb_array"] * 9 and env.render().ndim == 3
    masks = env.env_method("action_masks", indices=[0, 4])
    assert [m.sum() for m in masks] == [2 + 8 + 2, 1 + 16 + 4]
    assert env.env_is_wrapped(VecNormalize) == [False] * 9
    with pytest.raises(AttributeError, match=r"set_attr\('horizon'\)"):
        env.set_attr("horizon", 3)
    with pytest.raises(AttributeError, match="allowed: 'action_masks', 'render'"):
        env.env_method("state")
    env.close()


def test_other_policies_get_their_say() -> None:
    policy = Sets(4)
    env = BatchingVecEnv(**settings("envs", agent="node-1/watch.detector") | {"others": policy})
    env.seed(2)
    env.reset()
    for k in range(HORIZON + 1):
        env.step(actions(env, k))
    assert policy.seeds[0] == 2 and len(policy.seeds) == 2 and policy.steps == [0, 1, 2, 3, 0]


def test_bad_actions_are_refused() -> None:
    env = BatchingVecEnv(**settings("agents"))
    env.reset()
    with pytest.raises(ValueError, match=r"environment 1.*allowed: 3 integers, pack 0 to 3"):
        env.step(np.where(np.arange(9)[:, None] == 4, 99, np.zeros((9, 3), int)))
    with pytest.raises(ValueError, match=r"shape \(9, 3\)"):
        env.step(np.zeros((3, 3), int))
    with pytest.raises(ValueError, match="render_mode"):
        BatchingVecEnv(**settings("agents", render_mode="human"))
