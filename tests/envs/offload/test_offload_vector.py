"""Several clusters in one call."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from octogym.cluster.scenario import Scenario
from octogym.envs import offload_v0
from octogym.envs.offload.vector import OffloadVectorEnv

E = 3


def sampled(env: OffloadVectorEnv, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)


@pytest.mark.parametrize("rows", ["agents", "central"])
def test_every_row_is_the_parallel_environment(churning: Scenario, rows: str) -> None:
    env, rng = OffloadVectorEnv(E, churning, rows), np.random.default_rng(0)
    twins = [offload_v0.parallel_env(scenario=churning, interrupt=False) for _ in range(E)]
    seen, infos = env.reset(seed=4)
    shown = [twin.reset(seed=4 + e) for e, twin in enumerate(twins)]
    names = twins[0].possible_agents
    for _ in range(3):
        assert env.observation_space.contains(seen)
        for e, twin in enumerate(twins):
            expected = np.stack([shown[e][0][a] for a in names]) if rows == "agents" else twin.state()
            assert np.array_equal(seen.reshape(E, *expected.shape)[e], expected)
            assert np.array_equal(env.states()[e], twin.state())
            for key in ("shares", "load", "present", "target_mask"):
                one = infos[key].reshape(E, 3, -1)[e]
                assert np.array_equal(one, np.reshape([shown[e][-1][a][key] for a in names], (3, -1)))
        actions = sampled(env, rng)
        seen, reward, terminated, truncated, infos = env.step(actions)
        shown = [twin.step(dict(zip(names, actions.reshape(E, 3, 4)[e], strict=True))) for e, twin in enumerate(twins)]
        for e in range(E):
            expected = [shown[e][1][a] for a in names] if rows == "agents" else [shown[e][-1]["a"]["team_reward"]]
            assert reward.reshape(E, -1)[e].tolist() == expected
        assert not terminated.any() and truncated.all() == shown[0][3]["a"]
    assert truncated.all() and infos["_figures"].all()
    figures = np.repeat([shown[e][-1]["a"]["figures"]["reward"] for e in range(E)], env.num_envs // E)
    assert infos["figures"]["reward"].tolist() == figures.tolist()


def test_the_next_step_begins_anew(calm: Scenario) -> None:
    env, rng = OffloadVectorEnv(E, calm), np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(3):
        _, _, _, truncated, _ = env.step(sampled(env, rng))
    assert truncated.all()
    seen, reward, _, truncated, infos = env.step(sampled(env, rng))
    fresh, _ = OffloadVectorEnv(E, calm).reset(seed=E)
    assert not reward.any() and not truncated.any() and not infos["t_s"].any() and np.array_equal(seen, fresh)


def test_the_same_step_hands_out_both_ends(calm: Scenario) -> None:
    env, rng = OffloadVectorEnv(E, calm, autoreset_mode="SameStep"), np.random.default_rng(0)
    twin = OffloadVectorEnv(E, calm)
    for each in (env, twin):
        each.reset(seed=0)
    for _ in range(3):
        actions = sampled(env, rng)
        seen, reward, _, truncated, infos = env.step(actions)
        final, same, *_ = twin.step(actions)
    assert truncated.all() and np.array_equal(reward, same) and not infos["t_s"].any()
    assert all(np.array_equal(infos["final_obs"][row], final[row]) for row in range(E))
    assert infos["final_info"]["figures"]["seconds"].tolist() == [40.0] * E and "figures" not in infos
    assert not np.array_equal(seen, final)


def test_clusters_are_reset_by_mask(calm: Scenario) -> None:
    env, rng = OffloadVectorEnv(E, calm, "agents", autoreset_mode=AutoresetMode.DISABLED), np.random.default_rng(0)
    env.reset(seed=0)
    env.step(sampled(env, rng))
    marked = np.repeat([True, False, False], 3)
    _, infos = env.reset(seed=0, options={"reset_mask": marked})
    assert infos["t_s"].tolist() == [0.0] * 3 + [15.0] * 6 and infos["_t_s"].tolist() == marked.tolist()
    for _ in range(2):
        _, _, _, truncated, infos = env.step(sampled(env, rng))
    assert truncated.tolist() == [False] * 3 + [True] * 6 and infos["t_s"].tolist() == [30.0] * 3 + [40.0] * 6
    with pytest.raises(ResetNeeded, match=r"clusters \[1, 2\] are over"):
        env.step(sampled(env, rng))
    env.reset(options={"reset_mask": ~marked})
    _, _, _, truncated, infos = env.step(sampled(env, rng))
    assert truncated.tolist() == [True] * 3 + [False] * 6 and infos["window_s"].tolist() == [10.0] * 3 + [15.0] * 6


@pytest.mark.parametrize("mask", [np.ones(2, bool), np.zeros(9, bool), np.arange(9) < 2, [True] * 9])
def test_masks_are_checked(calm: Scenario, mask: Any) -> None:
    env = OffloadVectorEnv(E, calm, "agents")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask"):
        env.reset(options={"reset_mask": mask})


def test_gymnasium_makes_it(calm: Scenario) -> None:
    env = gymnasium.make_vec(
        "octogym:octogym/OffloadCentral-v0", num_envs=2, vectorization_mode="vector_entry_point", scenario=calm
    )
    assert isinstance(env.unwrapped, OffloadVectorEnv) and env.action_space.shape == (2, 12)
    env.close()


def test_interrupts_are_for_one_cluster(calm: Scenario) -> None:
    with pytest.raises(ValueError, match="interrupt = True with num_envs = 2"):
        OffloadVectorEnv(2, calm, interrupt=True)
    env, rng = OffloadVectorEnv(1, calm, interrupt=True), np.random.default_rng(0)
    env.reset(seed=0)
    assert min(float(env.step(sampled(env, rng))[-1]["window_s"][0]) for _ in range(3)) < 15


def test_arguments_and_actions_are_checked(calm: Scenario) -> None:
    with pytest.raises(ValueError, match="rows = 'envs'; allowed: 'central', 'agents'"):
        OffloadVectorEnv(2, calm, "envs")
    with pytest.raises(ValueError, match="render_mode = 'human'"):
        OffloadVectorEnv(2, calm, render_mode="human")
    env = OffloadVectorEnv(2, calm)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions of shape \(2, 3\); allowed: \(2, 12\)"):
        env.step(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="action of 'b of environment 1'"):
        env.step(np.where(np.arange(24).reshape(2, 12) == 17, 9.0, 0.0))
