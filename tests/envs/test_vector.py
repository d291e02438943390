"""The native vector environment: rows, autoreset modes, infos."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from octogym.envs import batching_v0
from octogym.envs.single_agent import BatchingCentralEnv, BatchingEnv
from octogym.envs.vector import BatchingCentralVectorEnv, BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend
from tests.envs.toy_policy import Sets

SECOND = "node-1/watch.detector"
E, HORIZON = 3, 4


def make(rows: str = "agents", clusters: int = E, **settings: Any) -> BatchingVectorEnv:
    backend = ToyBackend(num_envs=clusters, absent={0: (1, 3)})
    settings.setdefault("others", None)
    return BatchingVectorEnv(backend=backend, rows=rows, horizon=settings.pop("horizon", HORIZON), **settings)


def zeros(env: BatchingVectorEnv) -> np.ndarray:
    return np.zeros(env.action_space.shape, np.int64)


def sampled(env: BatchingVectorEnv, seed: int = 0) -> np.ndarray:
    env.action_space.seed(seed)
    return env.action_space.sample()


@pytest.mark.parametrize(
    ("rows", "count", "single", "width"),
    [("agents", 9, [4, 16, 4], 8), ("envs", 3, [1, 16, 4], 8), ("central", 3, [2, 8, 2, 1, 16, 4, 4, 4, 2], 24)],
)
def test_rows_and_spaces(rows: str, count: int, single: list[int], width: int) -> None:
    env = make(rows, agent=SECOND if rows == "envs" else None)
    assert env.num_envs == count
    assert env.single_action_space == spaces.MultiDiscrete(single)
    assert env.action_space.shape == (count, len(single)) and env.observation_space.shape == (count, width)
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    observations, rewards, terminated, truncated, _ = env.step(sampled(env))
    assert env.observation_space.contains(observations)
    assert rewards.shape == terminated.shape == truncated.shape == (count,)
    assert rewards.dtype == np.float32 and terminated.dtype == truncated.dtype == bool


def test_a_row_per_agent_is_the_parallel_environment_of_its_cluster() -> None:
    env = make("agents")
    twins = []
    for e in range(E):
        backend = ToyBackend(absent={0: (1, 3)})
        twins.append(batching_v0.parallel_env(backend=backend, horizon=HORIZON, homogeneous=True))
        twins[e].reset(seed=5 + e)
    env.reset(seed=5)
    for k in range(HORIZON):
        actions = sampled(env, k)
        observations, rewards, _, truncated, infos = env.step(actions)
        for e, twin in enumerate(twins):
            names = twin.possible_agents
            expected = twin.step({agent: actions[3 * e + i] for i, agent in enumerate(names)})
            for i, agent in enumerate(names):
                row = 3 * e + i
                assert np.array_equal(observations[row], expected[0][agent])
                assert rewards[row] == np.float32(expected[1][agent]) and truncated[row] == expected[3][agent]
                for key, value in expected[4][agent].items():
                    if key not in ("figures", "action_mask"):
                        assert infos[key][row] == pytest.approx(value), key
                    elif key != "action_mask":
                        assert {n: infos[key][n][row] for n in value} == value


@pytest.mark.parametrize("rows", ["envs", "central"])
def test_other_rows_are_their_single_environments(rows: str) -> None:
    def single() -> gymnasium.Env:
        backend = ToyBackend(absent={0: (1, 3)})
        if rows == "central":
            return BatchingCentralEnv(backend=backend, horizon=HORIZON)
        return BatchingEnv(backend=backend, horizon=HORIZON, agent=SECOND, others=Sets(4))

    env = make(rows, **({"agent": SECOND, "others": Sets(4)} if rows == "envs" else {}))
    twins = [single() for _ in range(E)]
    env.reset(seed=5)
    for e, twin in enumerate(twins):
        twin.reset(seed=5 + e)
    for k in range(HORIZON):
        actions = sampled(env, k)
        observations, rewards, _, truncated, infos = env.step(actions)
        for e, twin in enumerate(twins):
            expected = twin.step(actions[e])
            assert np.array_equal(observations[e], expected[0])
            assert rewards[e] == np.float32(expected[1]) and truncated[e] == expected[3]
            assert np.array_equal(infos["rate"][e], expected[4]["rate"])


# --- autoreset -----------------------------------------------------------------------------------------------------
def test_next_step_is_the_default_and_its_reset_takes_a_step() -> None:
    env = make()
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    first, _ = env.reset(seed=0)
    for k in range(HORIZON):
        last, _, _, truncated, infos = env.step(sampled(env, k))
    assert truncated.all() and infos["_figures"].all() and infos["figures"]["seconds"].tolist() == [4.0] * 9
    observations, rewards, terminated, truncated, infos = env.step(sampled(env))
    assert not rewards.any() and not truncated.any() and not terminated.any()
    assert (infos["t_s"] == 0).all() and "figures" not in infos
    assert (env.step(sampled(env))[-1]["t_s"] == 1).all()
    assert not np.array_equal(last, observations) and np.array_equal(first[:, 1], observations[:, 1])


def test_same_step_hands_over_the_last_observation() -> None:
    env, twin = make(autoreset_mode=AutoresetMode.SAME_STEP), make()
    env.reset(seed=0)
    twin.reset(seed=0)
    for k in range(HORIZON):
        observations, rewards, _, truncated, infos = env.step(sampled(env, k))
        expected = twin.step(sampled(twin, k))
        assert np.array_equal(rewards, expected[1]) and np.array_equal(truncated, expected[3])
    assert truncated.all() and infos["_final_obs"].all() and infos["_final_info"].all()
    assert np.array_equal(np.stack(infos["final_obs"]), expected[0])
    assert (infos["final_info"]["t_s"] == HORIZON).all() and (infos["t_s"] == 0).all()
    assert infos["final_info"]["figures"]["_seconds"].all() and "figures" not in infos
    assert np.array_equal(observations, twin.step(zeros(twin))[0])


def test_disabled_waits_for_the_user() -> None:
    env = make(autoreset_mode="Disabled")
    env.reset(seed=0)
    for _ in range(HORIZON):
        truncated = env.step(zeros(env))[3]
    with pytest.raises(ResetNeeded, match=r"clusters \[0, 1, 2\] are over"):
        env.step(zeros(env))
    env.reset(options={"reset_mask": truncated})
    assert (env.step(zeros(env))[-1]["t_s"] == 1).all()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_clusters_out_of_step(mode: AutoresetMode) -> None:
    env = make(autoreset_mode=mode)
    env.reset(seed=0)
    for _ in range(2):
        env.step(zeros(env))
    second = np.repeat([False, True, False], 3)
    _, infos = env.reset(options={"reset_mask": second})
    assert infos["t_s"].tolist() == [2] * 3 + [0] * 3 + [2] * 3 and np.array_equal(infos["_t_s"], second)
    seen = []
    for _ in range(6):
        truncated, infos = env.step(zeros(env))[3:]
        seen.append((truncated[::3].tolist(), infos["t_s"][::3].tolist()))
        if mode is AutoresetMode.DISABLED and truncated.any():
            env.reset(options={"reset_mask": truncated})
    if mode is AutoresetMode.NEXT_STEP:
        assert [s[1] for s in seen] == [[3, 1, 3], [4, 2, 4], [0, 3, 0], [1, 4, 1], [2, 0, 2], [3, 1, 3]]
    elif mode is AutoresetMode.SAME_STEP:
        assert [s[1] for s in seen] == [[3, 1, 3], [0, 2, 0], [1, 3, 1], [2, 0, 2], [3, 1, 3], [0, 2, 0]]
    else:
        assert [s[1] for s in seen] == [[3, 1, 3], [4, 2, 4], [1, 3, 1], [2, 4, 2], [3, 1, 3], [4, 2, 4]]
    assert seen[1][0] == [True, False, True] and seen[3][0] == [False, True, False]


def test_a_reset_leaves_other_clusters_as_they_were() -> None:
    env, twin = make(horizon=20), make(horizon=20)
    env.reset(seed=0)
    twin.reset(seed=0)
    for k in range(10):
        if k == 4:
            env.reset(options={"reset_mask": np.repeat([True, False, False], 3)})
        got, expected = env.step(sampled(env, k)), twin.step(sampled(twin, k))
        assert np.array_equal(got[0][3:], expected[0][3:]) and np.array_equal(got[1][3:], expected[1][3:])
    assert not np.array_equal(got[0][:3], expected[0][:3])


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ([True] * 9, "allowed: a bool array"),
        (np.zeros(9, bool), "at least one True"),
        (np.ones(3, bool), r"shape \(9,\)"),
        (np.arange(9) == 4, "marks 1 of the 3 rows of cluster 1; allowed: all or none"),
    ],
)
def test_bad_reset_masks(mask: object, said: str) -> None:
    env = make()
    env.reset()
    with pytest.raises(ValueError, match=said):
        env.reset(options={"reset_mask": mask})


# --- infos ---------------------------------------------------------------------------------------------------------
def test_every_info_has_its_mask_and_belongs_to_the_user() -> None:
    env = make()
    env.reset(seed=0)
    infos = env.step(zeros(env))[-1]
    kept = {key: value.copy() for key, value in infos.items() if isinstance(value, np.ndarray)}
    for key, value in kept.items():
        assert len(value) == 9
        assert key.startswith("_") or infos["_" + key].all()
    env.step(sampled(env))
    assert all(np.array_equal(infos[key], value) for key, value in kept.items())
    assert infos["present"].tolist() == [True] * 9 and infos["present"].dtype == bool
    assert infos["action_mask"].shape == (9, 24) and infos["queues"].shape == (9, 5)


def test_absent_rows() -> None:
    env = make()
    env.reset(seed=0)
    env.step(zeros(env))
    _, rewards, _, _, infos = env.step(sampled(env))
    assert infos["present"].tolist() == [False, True, True] * 3 and infos["mask"].tolist() == [0, 1, 1] * 3
    assert not rewards[::3].any() and rewards.any()


def test_observations_are_new_in_every_step() -> None:
    env = make()
    first, _ = env.reset(seed=0)
    kept = first.copy()
    second = env.step(zeros(env))[0]
    assert np.array_equal(first, kept) and not np.shares_memory(first, second)


# --- arguments -------------------------------------------------------------------------------------------------------
def test_seeds_are_per_cluster() -> None:
    env, twin = make(), make()
    env.reset(seed=[7, 8, 9])
    twin.reset(seed=7)
    assert np.array_equal(env.step(zeros(env))[0], twin.step(zeros(twin))[0])


@pytest.mark.parametrize(
    "actions", [np.zeros((9, 2), int), np.zeros((8, 3), int), np.zeros((9, 3)), np.full((9, 3), 4), None]
)
def test_bad_actions_are_refused(actions: object) -> None:
    env = make()
    env.reset(seed=0)
    env.step(zeros(env))
    env.step(zeros(env))  # devices 0 are away: what they ask for does not matter
    if isinstance(actions, np.ndarray) and actions.shape == (9, 3) and actions.dtype.kind == "i":
        actions = np.where([[True, False, False]], actions, 0)
    with pytest.raises(ValueError, match="allowed"):
        env.step(actions)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rows = 'all'; allowed: 'envs', 'agents', 'central'"):
        make("all")
    with pytest.raises(ValueError, match='goes with rows="envs"'):
        make("agents", agent=SECOND)
    with pytest.raises(ValueError, match="homogeneous=True"):
        make("agents", homogeneous=False)
    with pytest.raises(ValueError, match=r"render_mode = 'human'; allowed: None, 'ansi', 'rgb_array'"):
        make(render_mode="human")
    with pytest.raises(ResetNeeded):
        make().step(np.zeros((9, 3), np.int64))


def test_render_is_one_picture_per_cluster() -> None:
    env = make(render_mode="ansi")
    env.reset(seed=0)
    env.step(zeros(env))
    texts = env.render()
    assert len(texts) == E and len(set(texts)) == E and "away" not in texts[0]


def test_made_by_gymnasium() -> None:
    env = gymnasium.make_vec(
        "octogym:octogym/Batching-v0", num_envs=2, vectorization_mode="vector_entry_point", rows="agents", horizon=3
    )
    assert env.num_envs == 10 and env.spec.id == "octogym/Batching-v0"
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    env.reset(seed=0)
    for _ in range(3):
        infos = env.step(env.action_space.sample())[-1]
    assert infos["episode"]["l"].tolist() == [3] * 10
    env.close()
    central = gymnasium.make_vec(
        "octogym/BatchingCentral-v0", num_envs=2, vectorization_mode="vector_entry_point", horizon=3
    )
    assert isinstance(central, BatchingCentralVectorEnv) and central.num_envs == 2


def test_synchronous_vectorisation_works_too() -> None:
    env = gymnasium.make_vec("octogym/BatchingCentral-v0", num_envs=2, vectorization_mode="sync", horizon=2)
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.sample())
    env.close()
