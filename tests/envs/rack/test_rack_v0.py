"""Batching and offloading together: the halves are those of their own environments."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.reward import FcpoReward
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.envs import batching_v0, offload_v0, rack_v0
from octogym.testing import ParallelEnvMixin
from octogym.testing import parallel_env as checks
from tests.envs.toy_policy import Sets

Actions = dict[str, np.ndarray]


class TestRules(ParallelEnvMixin):
    """Every rule of `octogym.testing`, with overloads that bring decisions forward."""

    seed = 3
    episodes = 2

    def make_env(self) -> rack_v0.RackParallelEnv:
        return rack_v0.parallel_env(scenario=load_scenario("campus-16-rack", traces="synthetic"), horizon=10)


def test_the_rules_hold_under_churn(churning: Scenario) -> None:
    def make() -> rack_v0.RackParallelEnv:
        return rack_v0.parallel_env(scenario=churning, horizon=30)

    env = make()
    env.reset(seed=0)
    infos = [env.step(initial(env))[-1] for _ in range(25)]
    for agent in ("b", "b/gate.face"):
        assert {info[agent]["present"] for info in infos} == {True, False}
    checks.check_spaces(make)
    checks.check_determinism(make)
    checks.check_ownership(make)
    checks.check_ends(make)
    checks.check_absence(make)
    checks.check_accounting(make)


def initial(env: rack_v0.RackParallelEnv) -> Actions:
    """The scenario's own settings, and everything local."""
    cluster = env.scenario.cluster
    actions: Actions = {}
    for agent in env.instance_agents:
        own = cluster.instances[cluster.index[agent]].initial
        actions[agent] = np.array([own.pack - 1, own.batch - 1, THREAD_ACTIONS.index((own.pre, own.post))])
    return {**actions, **dict.fromkeys(env.device_agents, local(env))}


def local(env: rack_v0.RackParallelEnv) -> np.ndarray:
    return np.where(np.arange(env.action_space(env.device_agents[0]).shape[0]) == 0, 1.0, -1.0)


def settings_of(env: rack_v0.RackParallelEnv, rng: np.random.Generator) -> Actions:
    return {agent: rng.integers(env.action_space(agent).nvec) for agent in env.instance_agents}


@pytest.mark.parametrize("name", ["calm", "churning", "campus-16-rack"])
def test_with_the_scenarios_shares_it_is_batching_v0(name: str, request: pytest.FixtureRequest) -> None:
    scenario = name if name == "campus-16-rack" else request.getfixturevalue(name)
    one = rack_v0.parallel_env(scenario=scenario, horizon=40)
    other = batching_v0.parallel_env(scenario=scenario, horizon=40)
    rng, shares = np.random.default_rng(0), dict.fromkeys(one.device_agents, local(one))
    assert one.instance_agents == tuple(other.possible_agents)
    for seed in (5, None):
        both, alone = one.reset(seed=seed), other.reset(seed=seed)
        while other.agents:
            for agent in other.agents:
                assert np.array_equal(both[0][agent], alone[0][agent])
                info = {key: value for key, value in both[-1][agent].items() if key not in ("due", "figures")}
                assert info == {key: value for key, value in alone[-1][agent].items() if key != "figures"}
            settings = settings_of(one, rng)
            both, alone = one.step({**settings, **shares}), other.step(settings)
            assert {agent: both[1][agent] for agent in other.possible_agents} == alone[1]
        figures = both[-1]["a" if name != "campus-16-rack" else "node01"]["figures"]
        assert figures["offloaded"] == 0 and figures["reward"] > 0
        expected = next(iter(alone[-1].values()))["figures"]
        assert {key: figures[key] for key in expected} == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("interrupt", [False, True])
@pytest.mark.parametrize("name", ["calm", "campus-16-rack"])
def test_with_the_scenarios_settings_it_is_offload_v0(
    name: str, interrupt: bool, request: pytest.FixtureRequest
) -> None:
    scenario = name if name == "campus-16-rack" else request.getfixturevalue(name)
    one = rack_v0.parallel_env(scenario=scenario, horizon=40, interrupt=interrupt)
    other = offload_v0.parallel_env(scenario=scenario, horizon=40, interrupt=interrupt)
    settings, agents, rng = initial(one), list(one.device_agents), np.random.default_rng(1)
    T = one.action_space(agents[0]).shape[0]
    assert agents == other.possible_agents and one.devices == other.devices
    assert all(one.targets(agent) == other.targets(agent) for agent in agents)
    for seed in (5, None):
        seen, expected = one.reset(seed=seed), other.reset(seed=seed)
        ends = []
        while other.agents:
            wanted = {agent: rng.uniform(-1, 1, T) for agent in agents}
            expected = other.step(wanted)
            paid = dict.fromkeys(agents, 0.0)
            while True:
                # What is asked for in between does not count.
                other_wish = {agent: rng.uniform(-1, 1, T) for agent in agents}
                due = seen[-1][agents[0]]["due"]
                seen = one.step({**settings, **(wanted if due else other_wish)})
                paid = {agent: paid[agent] + seen[1][agent] for agent in agents}
                if seen[-1][agents[0]]["due"]:
                    break
                assert {seen[1][agent] for agent in agents} == {0.0}
            assert paid == expected[1]
            for agent in agents:
                assert np.array_equal(seen[0][agent][:-1], expected[0][agent]) and seen[0][agent][-1] == 0.0
                ours, theirs = seen[-1][agent], expected[-1][agent]
                assert ours["since_s"] == theirs["window_s"] and ours["t_s"] == theirs["t_s"]
                for key in ("interrupted", "team_reward", "demand", "load", "capacity", "overloaded"):
                    assert ours[key] == theirs[key], key
                assert np.array_equal(ours["shares"], theirs["shares"])
            state, parts = one.state_dict(), other.state_dict()
            assert all(np.array_equal(state[key], parts[key]) for key in parts)
            ends.append(expected[-1][agents[0]]["window_s"])
        assert not one.agents
        ours, theirs = (returned[-1][agents[0]]["figures"] for returned in (seen, expected))
        assert {key: ours[key] for key in theirs} == pytest.approx(theirs, rel=0, abs=0, nan_ok=True)
        assert ends == [15, 15, 10] if not interrupt else len(ends) > 3


def play(env: rack_v0.RackParallelEnv, seed: int | None, rng: np.random.Generator) -> list[Any]:
    returned: list[Any] = [env.reset(seed=seed)]
    while env.agents:
        wish = {agent: rng.uniform(-1, 1, 4) for agent in env.device_agents}
        returned.append(env.step({**settings_of(env, rng), **wish}))
    return returned


def test_episodes_repeat_and_differ(churning: Scenario) -> None:
    plays = []
    for _ in range(2):
        env, rng = rack_v0.parallel_env(scenario=churning), np.random.default_rng(0)
        plays.append([play(env, seed, rng) for seed in (5, None, None)])
    for one, two in zip(*plays, strict=True):
        assert [x[1] for x in one[1:]] == [x[1] for x in two[1:]]
        assert all(np.array_equal(x[0][a], y[0][a]) for x, y in zip(one, two, strict=True) for a in x[0])
    rewards = [[x[1]["a/gate.detector"] for x in episode[1:]] for episode in plays[0]]
    assert rewards[0] != rewards[1] and rewards[1] != rewards[2]


def test_the_observation_says_when_an_action_is_due(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm, interrupt=False)
    seen = [env.reset(seed=0)]
    while env.agents:
        seen.append(env.step(initial(env)))
    due = [k for k, returned in enumerate(seen) if returned[-1]["a"]["due"]]
    assert due == [0, 15, 30, 40]
    for k, returned in enumerate(seen):
        wait = min(end for end in (0, 15, 30, 45) if end >= k) - k if k < 40 else 0
        for agent in env.device_agents:
            assert returned[0][agent][-1] == np.float32(wait / 15) and returned[-1][agent]["wait_s"] == wait
        assert returned[-1]["a/gate.face"]["due"] is True
        paid = k > 0 and returned[1]["a"] != 0.0
        assert paid == (k in due[1:])
    assert [seen[k][-1]["c"]["since_s"] for k in (1, 15, 16, 40)] == [1, 15, 1, 10]


def test_shares_stand_between_decisions(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm, interrupt=False)
    env.reset(seed=0)
    away = {**initial(env), "a": np.array([-1, -1, -1, 1])}
    shares = [env.step(away if k == 0 else initial(env))[-1]["a"]["shares"].tolist() for k in range(20)]
    assert shares == [[0, 0, 0, 1]] * 15 + [[1, 0, 0, 0]] * 5


def test_instances_without_agents_keep_the_scenarios_settings(mixed: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=mixed)
    assert env.instance_agents == ("a/gate.detector", "b/gate.detector", "c/gate.detector")
    env.reset(seed=0)
    while env.agents:
        env.step({**initial(env), "b/gate.detector": np.array([0, 5, 0])})
        t, cluster = env.unwrapped._core.batching.telemetry, mixed.cluster
        for s, instance in enumerate(cluster.instances):
            batch = 6 if instance.id == "b/gate.detector" else instance.initial.batch
            assert t.batch[0, s] == batch and t.set_by[0, s] == 0, instance.id
            assert t.timeout_ns[0, s] == instance.initial.timeout_ns


def test_others_decide_for_instances_without_agents_only(mixed: Scenario) -> None:
    policy = Sets(batch=2)
    env = rack_v0.parallel_env(scenario=mixed, others=policy)
    env.reset(seed=0)
    for _ in range(3):
        env.step(initial(env))
    batch = env.unwrapped._core.batching.telemetry.batch[0]
    ids = {instance.id: batch[s] for s, instance in enumerate(mixed.cluster.instances)}
    assert ids == {agent: (1 if agent in env.instance_agents else 2) for agent in ids}
    assert policy.due is not None and policy.due.tolist() == [[agent not in env.instance_agents for agent in ids]]


def test_infos(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm)
    _, infos = env.reset(seed=0)
    assert infos["a"]["t_s"] == 0 and infos["a"]["due"] is True and infos["a"]["shares"].tolist() == [1, 0, 0, 0]
    actions = {**initial(env), **dict.fromkeys(env.device_agents, np.array([-1, -1, -1, 1]))}
    sums = dict.fromkeys(("generated", "on_time", "offloaded"), 0.0)
    while env.agents:
        *_, infos = env.step(actions)
        info, instance = infos["a"], infos["a/gate.detector"]
        assert info["window_s"] == 1.0 and info["t_s"] == instance["t_s"]
        for name in ("generated", "on_time"):
            assert info["results_" + name] == instance["results_" + name]
            sums[name] += info["results_" + name]
        sums["offloaded"] += sum(infos[agent]["offloaded"] for agent in env.device_agents)
        assert ("figures" in info) == (not env.agents) == ("figures" in instance)
    figures = infos["c"]["figures"]
    assert figures == infos["c/gate.face"]["figures"] and figures["seconds"] == 40
    assert figures["offloaded"] == sums["offloaded"] > 0 and figures["generated"] == sums["generated"]
    assert figures["effective_throughput"] == sums["on_time"] / 40


def test_infos_survive_later_steps_and_pickling(calm: Scenario) -> None:
    envs = [rack_v0.parallel_env(scenario=calm) for _ in range(2)]
    kept = []
    for env in envs:
        env.reset(seed=1)
        kept.append(env.step(initial(env))[-1])
    expected = {agent: dict(info) for agent, info in kept[1].items()}
    for _ in range(3):
        envs[0].step(initial(envs[0]))
    copied = pickle.loads(pickle.dumps(kept[0]))
    assert set(copied) == set(expected)
    for agent, info in expected.items():
        assert list(copied[agent]) == list(info) == list(kept[0][agent])
        assert all(np.array_equal(copied[agent][key], info[key]) for key in info)


def test_state_is_made_of_named_parts(churning: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=churning, horizon=60)
    with pytest.raises(ResetNeeded, match="reset"):
        env.state()
    observations, _ = env.reset(seed=0)
    names = ["instances", "devices", "history", "physical", "network", "resource", "load", "queue", "shares", "present"]
    while env.agents:
        parts = env.state_dict()
        assert list(parts) == [*names, "wait"]
        assert np.array_equal(parts["instances"], np.stack([observations[a] for a in env.instance_agents]))
        assert np.array_equal(env.state(), np.concatenate([x.ravel() for x in parts.values()]))
        assert env.state_space.contains(env.state())
        observations = env.step(initial(env))[0]
        for part in parts.values():
            part[...] = -1
    assert env.state().min() >= 0 and env.state_dict()["wait"] == 0


def test_bad_actions_and_calls(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm)
    with pytest.raises(ResetNeeded):
        env.step({})
    env.reset(seed=0)
    good = initial(env)
    for steps in range(2):  # where shares are due, and where they are not
        for bad, text in (
            ({**good, "b": np.zeros(3)}, "action of 'b' = .*; allowed: 4 numbers from -1 to 1"),
            ({**good, "b": np.full(4, 2.0)}, "action of 'b' = .*; allowed: 4 numbers from -1 to 1"),
            ({**good, "b": np.full(4, np.nan)}, "action of 'b' = .*; allowed: 4 numbers from -1 to 1"),
            ({**good, "b/gate.face": np.array([9, 0, 0])}, "action of 'b/gate.face' = .*; allowed: 3 integers"),
            ({**good, "b/gate.face": np.zeros(3)}, "action of 'b/gate.face' = .*; allowed: 3 integers"),
            ({"a": good["a"]}, "no action for"),
            ({**good, "x": good["a"]}, r"unknown agents \['x'\]"),
        ):
            with pytest.raises(ValueError, match=text):
                env.step(bad)
        assert env.step(good)[-1]["a"]["t_s"] == steps + 1


def test_scenarios_must_have_agents_and_routes() -> None:
    with pytest.raises(ValueError, match="scenario 'campus-8': no instance has agent = true"):
        rack_v0.parallel_env(scenario="campus-8")
    alone = load_scenario("scale-2", {"placement.detectors.agent": True})
    with pytest.raises(ValueError, match="there is nothing to offload"):
        rack_v0.parallel_env(scenario=alone)
    two = make_backend("sim", load_scenario("campus-16-rack"), num_envs=2)
    with pytest.raises(ValueError, match="num_envs = 2; allowed: 1"):
        rack_v0.parallel_env(backend=two)


def test_the_batching_halfs_arguments(calm: Scenario) -> None:
    def doubled(eight: np.ndarray, telemetry: Any, rate: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.concatenate([eight, eight], -1)

    box = spaces.Box(-100, 100, (16,), np.float32)
    zero: Callable[..., np.ndarray] = lambda telemetry, rate, present: np.zeros(present.shape, np.float32)  # noqa: E731
    env = rack_v0.parallel_env(
        scenario=calm, homogeneous=True, reward=zero, observation=doubled, observation_space=box, rate="stale_15s"
    )
    assert {str(env.action_space(agent)) for agent in env.instance_agents} == {"MultiDiscrete([1 8 2])"}
    observations, infos = env.reset(seed=0)
    assert observations["a/gate.face"].shape == (16,) and env.state_space.contains(env.state())
    assert [mask.tolist() for mask in infos["a/gate.face"]["action_mask"]] == [[1], [1] * 8, [1, 1]]
    rewards = env.step(initial(env))[1]
    assert {rewards[agent] for agent in env.instance_agents} == {0.0}
    weighted = rack_v0.parallel_env(scenario=calm, reward=FcpoReward(1.0, 0.0, 0.0))
    weighted.reset(seed=0)
    assert weighted.step(initial(weighted))[1]["a/gate.detector"] > 0


def test_reset_options_and_drawn_loads(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm, results_per_s=50.0, top_k=1, history=5)
    seen = []
    for options in (None, {"trace_offset_s": 5}, {"overrides": {"load": 2.0}}):
        env.reset(seed=0, options=options)
        actions = {**initial(env), **dict.fromkeys(env.device_agents, np.zeros(3))}
        seen.append(env.step(actions)[-1]["a"]["results_generated"])
    assert len(set(seen)) == 3
    with pytest.raises(ValueError, match="reset option 'offset'"):
        env.reset(options={"offset": 3})
    drawn = rack_v0.parallel_env(scenario=calm, randomise={"load": [0.5, 2.0]})
    generated = set()
    for seed in range(8):
        drawn.reset(seed=seed)
        generated.add(drawn.step(initial(drawn))[-1]["a"]["results_generated"])
    assert 0 < min(generated) < 0.3 * max(generated)


def test_a_copy_is_made_from_the_same_arguments() -> None:
    env = rack_v0.parallel_env(scenario="city-16-rack", top_k=2, horizon=30)
    twin = pickle.loads(pickle.dumps(env))
    assert twin.targets("node01") == env.targets("node01") and twin.possible_agents == env.possible_agents
    assert twin.backend is not env.backend


def test_own_backends_are_closed_and_given_ones_are_not(calm: Scenario) -> None:
    closed = []
    backend = make_backend("sim", calm)
    backend.close = lambda: closed.append(True)
    rack_v0.parallel_env(backend=backend).close()
    assert not closed


PAGE = Path(__file__).resolve().parents[3] / "docs" / "rack_env.md"


@pytest.mark.parametrize("snippet", re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
def test_the_pages_snippets_run(snippet: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippet, PAGE.name, "exec"), {})
    assert capsys.readouterr().out.strip()
