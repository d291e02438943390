"""The native TorchRL environment."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torchrl", exc_type=ImportError)

import torch
from torchrl.envs.utils import check_env_specs

from octogym.envs.adapters.torchrl import BatchingTorchEnv
from octogym.envs.vector import BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend

E, A, HORIZON = 3, 3, 4


def make(horizon: int = HORIZON, **settings: object) -> BatchingTorchEnv:
    return BatchingTorchEnv(backend=ToyBackend(num_envs=E, absent={0: (1, 3)}), horizon=horizon, **settings)


def test_specs_are_kept() -> None:
    check_env_specs(make(horizon=20))
    check_env_specs(BatchingTorchEnv(2, scenario="traffic-2", horizon=20))


def test_it_is_the_vector_environment() -> None:
    env = make()
    twin = BatchingVectorEnv(
        backend=ToyBackend(num_envs=E, absent={0: (1, 3)}), rows="agents", horizon=HORIZON, autoreset_mode="Disabled"
    )
    env.set_seed(7)
    state = env.reset()
    observations, _ = twin.reset(seed=7)
    assert np.array_equal(state["agents", "observation"].numpy().reshape(9, 8), observations)
    for k in range(HORIZON):
        twin.action_space.seed(k)
        actions = twin.action_space.sample()
        state["agents", "action"] = torch.from_numpy(actions.reshape(E, A, 3))
        after = env.step(state)["next"]
        observations, rewards, _, truncated, infos = twin.step(actions)
        assert np.array_equal(after["agents", "observation"].numpy().reshape(9, 8), observations)
        assert np.array_equal(after["agents", "reward"].numpy().reshape(9), rewards)
        assert np.array_equal(after["agents", "present"].numpy().reshape(9), infos["present"])
        assert after["truncated"].all() == after["done"].all() == truncated.all() == (k == HORIZON - 1)
        assert not after["terminated"].any()
        state = after.exclude(("agents", "reward")).clone()


def test_rollouts_go_on_over_the_end_of_episodes() -> None:
    env = make()
    rollout = env.rollout(10, break_when_any_done=False)
    assert rollout.batch_size == (E, 10)
    done = rollout["next", "done"][:, :, 0]
    assert done.tolist() == [[k % HORIZON == HORIZON - 1 for k in range(10)]] * E
    # The step after an end begins a new episode: before the first window nothing has arrived.
    assert not rollout["agents", "observation"][:, HORIZON, :, 3].any()
    assert rollout["next", "agents", "observation"][:, HORIZON - 1, :, 3].any()


def test_some_environments_alone_can_be_reset() -> None:
    env = make(horizon=50)
    state = env.reset()
    for _ in range(3):
        state = env.step_mdp(env.rand_step(state))
    state["_reset"] = torch.tensor([[False], [True], [False]])
    before = state["agents", "observation"].clone()
    after = env.reset(state)
    assert torch.equal(after["agents", "observation"][0], before[0])
    assert env._core.clock.tolist() == [3, 0, 3]


def test_tensors_belong_to_the_user() -> None:
    env = make(horizon=50)
    state = env.rand_step(env.reset())
    kept = state.clone()
    env.rand_step(env.step_mdp(state))
    assert (state == kept).all()


def test_actions_beyond_ones_own_are_masked_and_clipped() -> None:
    env = make(horizon=50)
    assert env.action_mask.shape == (A, 24) and env.action_mask.sum(1).tolist() == [12, 21, 10]
    state = env.reset()
    state["agents", "action"] = torch.tensor([3, 15, 3]).expand(E, A, 3)
    env.step(state)
    assert env.backend._t.batch[:, 1:].tolist() == [[16, 4]] * E
    state["agents", "action"] = torch.tensor([4, 0, 0]).expand(E, A, 3)
    with pytest.raises(ValueError, match="pack 0 to 3"):
        env.step(state)


def test_seeds_repeat() -> None:
    def play() -> torch.Tensor:
        env = make(horizon=50)
        torch.manual_seed(0)
        env.set_seed(3)
        return env.rollout(6)["next", "agents", "observation"]

    assert torch.equal(play(), play())
