"""The parallel environment as a user meets it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.errors import ScenarioError
from octogym.envs import batching_v0
from octogym.envs.lazy import LazyDict
from tests.envs.toy_backend import ToyBackend, toy_scenario

FIRST, SECOND, THIRD = (f"node-{i}/watch.detector" for i in range(3))


def make(**settings: object) -> batching_v0.BatchingParallelEnv:
    backend = {k: settings.pop(k) for k in ("absent", "silent", "mean_rate") if k in settings}
    return batching_v0.parallel_env(backend=ToyBackend(**backend), **settings)


def zeros(env: batching_v0.BatchingParallelEnv) -> dict[str, np.ndarray]:
    return {agent: np.zeros(3, np.int64) for agent in env.possible_agents}


def test_agents_and_spaces_are_the_scenarios() -> None:
    env = make()
    assert env.possible_agents == [FIRST, SECOND, THIRD]
    assert env.action_space(FIRST) == spaces.MultiDiscrete([2, 8, 2])
    assert env.action_space(SECOND) == spaces.MultiDiscrete([1, 16, 4])
    box = env.observation_space(FIRST)
    assert box.shape == (8,) and box.dtype == np.float32
    assert np.isfinite(box.low).all() and np.isfinite(box.high).all() and box.high[3] == 40


def test_a_step_returns_what_the_api_says() -> None:
    env = make()
    observations, infos = env.reset(seed=1)
    assert set(observations) == set(infos) == set(env.agents)
    observations, rewards, terminations, truncations, infos = env.step(zeros(env))
    for agent in env.agents:
        assert env.observation_space(agent).contains(observations[agent])
        assert type(rewards[agent]) is float and -1 <= rewards[agent] <= 1
        assert terminations[agent] is False and truncations[agent] is False
        assert isinstance(infos[agent], dict)


def test_infos_show_the_window() -> None:
    env = make()
    env.reset(seed=1)
    for _ in range(2):
        infos = env.step({**zeros(env), FIRST: np.array([1, 3, 1])})[-1]
    info, t = infos[FIRST], env.backend.step.__self__._t
    assert (info["pack"], info["batch"], info["pre"], info["post"]) == (2, 4, 2, 1)
    assert info["t_s"] == 2.0 and info["window_s"] == 1.0
    assert info["present"] is True and info["fresh"] is True and info["mask"] == 1 and info["age_s"] == 0.0
    for name in ("arrived", "executed", "completed", "on_time", "dropped_full", "dropped_late", "in_stage"):
        assert info[name] == getattr(t, name)[0, 0] and type(info[name]) is int
    assert info["latency_s"] == t.local_latency_ns[0, 0] / 1e9
    assert info["slo_s"] == 0.25 and info["budget_s"] == pytest.approx(1.2 * 0.003)
    assert info["queues"] == tuple(t.queue[0, 0].tolist())
    assert info["results_generated"] == t.generated.sum()
    assert info["set_by"] == 0 and info["timeout_s"] == 0.0 and info["active"] is True
    assert info["net_rate"] == pytest.approx(info["rate"] - info["dropped_late"])
    assert "action_mask" not in info and "figures" not in info


def test_infos_cost_nothing_until_they_are_read() -> None:
    env = make()
    _, infos = env.reset(seed=1)
    assert all(isinstance(info, LazyDict) and info.source is not None for info in infos.values())


def test_infos_survive_later_steps_and_pickling() -> None:
    env = make()
    env.reset(seed=1)
    unread = env.step(zeros(env))[-1]
    twin = make()
    twin.reset(seed=1)
    expected = {agent: dict(info) for agent, info in twin.step(zeros(twin))[-1].items()}
    for _ in range(3):
        env.step(zeros(env))
    assert pickle.loads(pickle.dumps(unread)) == expected == unread


def test_an_episode_is_truncated_at_the_horizon_for_all() -> None:
    env = make(horizon=5)
    for _ in range(2):
        env.reset(seed=1)
        for k in range(1, 6):
            assert env.agents == env.possible_agents
            _, _, terminations, truncations, infos = env.step(zeros(env))
            assert not any(terminations.values())
            assert all(truncations[agent] is (k == 5) for agent in env.possible_agents)
        assert env.agents == []
        figures = infos[FIRST]["figures"]
        assert figures["seconds"] == 5
        assert figures["generated"] >= figures["throughput"] * 5
        assert figures["latency_p50_s"] <= figures["latency_p95_s"] <= figures["latency_p99_s"]


def test_figures_are_those_of_the_episode() -> None:
    env = make(horizon=8)
    env.reset(seed=1)
    rewards, on_time, generated, late = [], 0, 0, 0
    for _ in range(8):
        _, reward, _, _, infos = env.step({agent: np.array([0, 1, 0]) for agent in env.agents})
        rewards += list(reward.values())
        info = infos[FIRST]
        generated += info["results_generated"]
        on_time += info["results_on_time"]
        late += info["results_late"]
    figures = infos[SECOND]["figures"]
    assert figures["reward_mean"] == pytest.approx(np.mean(rewards))
    assert figures["generated"] == generated and figures["effective_throughput"] == on_time / 8
    assert figures["throughput"] == (on_time + late) / 8 and figures["on_time_share"] == on_time / generated
    assert all(type(value) is float for value in figures.values())


def test_the_horizon_is_the_scenarios_if_none_is_given() -> None:
    env = batching_v0.parallel_env(backend=ToyBackend(toy_scenario(horizon_s=3)))
    env.reset(seed=0)
    done = [all(env.step(zeros(env))[3].values()) for _ in range(3)]
    assert done == [False, False, True]


@pytest.mark.parametrize("horizon", [0, -3, 1.5])
def test_a_horizon_must_be_whole_windows(horizon: float) -> None:
    with pytest.raises(ValueError, match=r"horizon.*positive multiple of the window, 1\.0 s"):
        make(horizon=horizon)


def test_actions_need_an_episode() -> None:
    env = make(horizon=1)
    with pytest.raises(ResetNeeded):
        env.step(zeros(env))
    env.reset()
    env.step(zeros(env))
    with pytest.raises(ResetNeeded):
        env.step(zeros(env))
    assert env.step({}) == ({}, {}, {}, {}, {})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array([0, 0]), r"array\(\[0, 0\]\)"),
        (np.array([0.0, 1.0, 0.0]), "allowed: 3 integers"),
        (np.array([[0, 0, 0]]), "allowed: 3 integers"),
        ([0, 0, "x"], "allowed: 3 integers"),
        (3, "= 3; allowed"),
        (None, "= None; allowed"),
        (np.array([2, 0, 0]), r"pack 0 to 1, batch 0 to 7, threads 0 to 1"),
        (np.array([0, 0, -1]), r"\[0, 0, -1\]"),
    ],
)
def test_bad_actions_say_whose_what_and_what_is_allowed(value: object, said: str) -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=said) as error:
        env.step({**zeros(env), FIRST: value})
    assert FIRST in str(error.value)


def test_two_wrong_lengths_do_not_make_a_right_one() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=FIRST):
        env.step({**zeros(env), FIRST: np.zeros(2, np.int64), SECOND: np.zeros(4, np.int64)})


def test_missing_and_unknown_agents_are_named() -> None:
    env = make()
    env.reset(seed=0)
    actions = zeros(env)
    with pytest.raises(ValueError, match=r"unknown agents \['stranger'\]"):
        env.step({**actions, "stranger": np.zeros(3, np.int64)})
    del actions[SECOND]
    with pytest.raises(ValueError, match=rf"no action for \['{SECOND}'\]"):
        env.step(actions)


def test_lists_and_small_integers_are_actions_too() -> None:
    env, twin = make(), make()
    env.reset(seed=0)
    twin.reset(seed=0)
    first = env.step({agent: [0, 3, 1] for agent in env.agents})
    second = twin.step({agent: np.array([0, 3, 1], np.int8) for agent in env.agents})
    assert first[1] == second[1]


def test_a_refused_action_changes_nothing() -> None:
    env, twin = make(), make()
    for each in (env, twin):
        each.reset(seed=0)
        each.step(zeros(each))
    with pytest.raises(ValueError):
        env.step({**zeros(env), THIRD: np.array([9, 9, 9])})
    good = {agent: np.array([0, 2, 0]) for agent in env.agents}
    assert env.step(good)[1] == twin.step(good)[1]


def test_a_lost_device_keeps_its_agent() -> None:
    env = make(absent={1: (2, 5)})
    env.reset(seed=0)
    seen = []
    for _ in range(6):
        observations, rewards, _, _, infos = env.step(zeros(env))
        assert env.agents == env.possible_agents
        info = infos[SECOND]
        seen.append((observations[SECOND].copy(), rewards[SECOND], info["present"], info["mask"], info["age_s"]))
    assert [s[2] for s in seen] == [True, True, False, False, False, True]
    assert [s[3] for s in seen] == [1, 1, 0, 0, 0, 1]
    assert [s[4] for s in seen] == [0, 0, 1, 2, 3, 0]
    for k in (2, 3, 4):
        assert seen[k][1] == 0.0 and np.array_equal(seen[k][0], seen[1][0])
    assert not np.array_equal(seen[5][0], seen[4][0])


def test_a_shared_space_shows_which_indices_are_ones_own() -> None:
    env = make(homogeneous=True)
    _, infos = env.reset(seed=0)
    assert {str(env.action_space(agent)) for agent in env.agents} == {"MultiDiscrete([ 4 16  4])"}
    mask = infos[FIRST]["action_mask"]
    assert [m.tolist() for m in mask] == [[1, 1, 0, 0], [1] * 8 + [0] * 8, [1, 1, 0, 0]]
    for _ in range(20):
        action = env.action_space(FIRST).sample(mask)
        assert (action < [2, 8, 2]).all()
    large, own = {a: np.array([3, 15, 3]) for a in env.agents}, make(homogeneous=True)
    own.reset(seed=0)
    rewards = env.step(large)[1]
    assert rewards == own.step({FIRST: [1, 7, 1], SECOND: [0, 15, 3], THIRD: [3, 3, 1]})[1]


def test_state_is_every_observation_and_who_is_there() -> None:
    env = make(absent={2: (0, 2)})
    with pytest.raises(ResetNeeded):
        env.state()
    observations, _ = env.reset(seed=0)
    state = env.state()
    assert env.state_space.contains(state) and state.shape == (27,)
    assert np.array_equal(state[:24].reshape(3, 8), np.stack(list(observations.values())))
    assert state[24:].tolist() == [1, 1, 0]


def test_state_does_not_see_what_a_user_does_to_an_observation() -> None:
    env = make()
    observations, _ = env.reset(seed=0)
    before = env.state()
    for observation in observations.values():
        observation[:] = 9
    assert np.array_equal(env.state(), before)


def test_reset_without_a_seed_goes_on() -> None:
    env, twin = make(), make()
    runs = []
    for each in (env, twin):
        each.reset(seed=4)
        rewards = [each.step(zeros(each))[1]]
        each.reset()
        runs.append([*rewards, each.step(zeros(each))[1]])
    assert runs[0] == runs[1] and runs[0][0] != runs[0][1]


def test_reset_options_reach_the_backend() -> None:
    env = make()
    env.reset(options={"trace_offset_s": 30, "overrides": {"load": 2.0}})
    assert env.backend.options == {"trace_offset_s": 30, "overrides": {"load": 2.0}}
    with pytest.raises(ValueError, match=r"reset option 'offset'; allowed: 'trace_offset_s', 'overrides'"):
        env.reset(options={"offset": 3})


def test_longer_than_the_scenario_is_said_to_the_backend() -> None:
    env = make(horizon=100)
    env.reset()
    assert env.backend.options == {"horizon_s": 100}


def test_overrides_that_the_programme_does_not_know_are_refused() -> None:
    env = batching_v0.parallel_env(scenario="traffic-2")
    with pytest.raises(ScenarioError):
        env.reset(options={"overrides": {"no_such_key": 1}})


def test_own_backends_are_closed_and_given_ones_are_not() -> None:
    backend = ToyBackend()
    env = batching_v0.parallel_env(backend=backend)
    env.close()
    assert not backend.closed


def test_a_batch_is_for_the_vector_environment() -> None:
    with pytest.raises(ValueError, match=r"num_envs = 2; allowed: 1"):
        batching_v0.parallel_env(backend=ToyBackend(num_envs=2))


def test_env_and_raw_env_play_the_same() -> None:
    for make_aec in (batching_v0.env, batching_v0.raw_env):
        aec, env = make_aec(backend=ToyBackend()), make()
        aec.reset(seed=2)
        env.reset(seed=2)
        for _ in env.agents:
            aec.step(np.array([0, 2, 0]))
        assert aec.rewards == env.step({agent: np.array([0, 2, 0]) for agent in env.agents})[1]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 64), st.integers(1, 4)), min_size=1, max_size=5))
def test_any_sizes_give_observations_in_their_space(sizes: list[tuple[int, int, int]]) -> None:
    env = batching_v0.parallel_env(backend=ToyBackend(toy_scenario(sizes), mean_rate=300))
    env.reset(seed=0)
    for _ in range(4):
        observations = env.step({agent: env.action_space(agent).sample() for agent in env.agents})[0]
        for agent, value in observations.items():
            assert env.observation_space(agent).contains(value)
