"""The suites that Farama and the learning libraries ship, over every registered id and several scenarios."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, render_test, seed_test, state_test

from octogym.cluster.registry import load_scenario
from octogym.envs import registration
from tests.envs.toy_backend import ToyBackend

Case = Callable[[], dict[str, Any]]
# A Backend of a third party, the quick start, and agents of many kinds.
BATCHING: dict[str, Case] = {
    "toy": lambda: {"backend": ToyBackend(absent={1: (5, 9)}, silent={2: (3, 6)})},
    "traffic-2": lambda: {"scenario": "traffic-2", "horizon": 30},
    "scale-16": lambda: {"scenario": "scale-16", "horizon": 10},
    "shared space": lambda: {"backend": ToyBackend(absent={0: (2, 4)}), "homogeneous": True},
}
# Two second stages, with and without overloads that end a step, and devices that leave.
OFFLOAD: dict[str, Case] = {
    "campus-8": lambda: {"scenario": "campus-8", "horizon": 40},
    "city-8": lambda: {"scenario": "city-8", "horizon": 40, "interrupt": False, "top_k": 2},
    "churn": lambda: {"scenario": load_scenario("campus-8", {"programme.churn": CHURN}), "horizon": 60},
}
# Both halves, overloads that bring decisions forward or do not, devices that leave.
RACK: dict[str, Case] = {
    "campus-16-rack": lambda: {"scenario": "campus-16-rack", "horizon": 30},
    "city-16-rack": lambda: {"scenario": "city-16-rack", "horizon": 20, "interrupt": False, "homogeneous": True},
    "churn": lambda: {"scenario": load_scenario("campus-16-rack", {"programme.churn": CHURN}), "horizon": 25},
}
CHURN = {"devices": ["node0[12]"], "present_s": [5, 20], "absent_s": [10, 20]}
SETTINGS = {"batching_v0": BATCHING, "offload_v0": OFFLOAD, "rack_v0": RACK}
#: The cases that Gymnasium's environments are held to: those by a scenario's name.
NAMED = {"Batching": ("traffic-2", "scale-16"), "Offload": ("campus-8", "city-8")}


def _pairs(names: Callable[[str], Any]) -> list[Any]:
    pairs = []
    for path in registration.PETTINGZOO.values():
        module = importlib.import_module(path)
        name = path.rsplit(".", 1)[1]
        pairs += [pytest.param(module, SETTINGS[name][case], id=f"{name}-{case}") for case in names(name)]
    return pairs


cases = pytest.mark.parametrize(("module", "case"), _pairs(lambda name: SETTINGS[name]))
ids = pytest.mark.parametrize("name", registration.GYMNASIUM)


@cases
def test_parallel_api(module: Any, case: Case) -> None:
    parallel_api_test(module.parallel_env(**case()), num_cycles=60)


# Advice, not rules: an action of three settings is a MultiDiscrete, agents are called what the scenario calls them, and
# rack_v0 has two kinds of them.
@pytest.mark.filterwarnings("ignore:Action space for each agent probably should be:UserWarning")
@pytest.mark.filterwarnings("ignore:We recommend agents to be named in the format:UserWarning")
@pytest.mark.filterwarnings("ignore:Agents have different (observation|action) space sizes:UserWarning")
@pytest.mark.filterwarnings("ignore:Observations are different shapes:UserWarning")
@cases
def test_aec_api(module: Any, case: Case) -> None:
    for make in (module.env, module.raw_env):
        api_test(make(**case()), num_cycles=15)


@cases
def test_seeds(module: Any, case: Case) -> None:
    parallel_seed_test(lambda: module.parallel_env(**case()), num_cycles=5)
    seed_test(lambda: module.env(**case()), num_cycles=5)


@cases
def test_state(module: Any, case: Case) -> None:
    state_test(module.env(**case()), module.parallel_env(**case()))


@cases
def test_rendering(module: Any, case: Case) -> None:
    render_test(lambda render_mode: module.env(render_mode=render_mode, **case()))


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        (name, case)
        for name in registration.GYMNASIUM
        for kind, found in NAMED.items()
        if kind in name
        for case in found
    ],
)
def test_gymnasium(name: str, scenario: str) -> None:
    env = gymnasium.make(name, scenario=scenario, horizon=30)
    check_env(env.unwrapped)
    env.close()


@ids
def test_stable_baselines3(name: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker", exc_type=ImportError)
    checker.check_env(gymnasium.make(name, horizon=30).unwrapped)


# rack_v0's agents are of two kinds, which no wrapper makes alike.
SHARED = {"batching_v0": ("shared space", "scale-16"), "offload_v0": ("campus-8",), "rack_v0": ()}


@pytest.mark.parametrize(("module", "case"), _pairs(lambda name: SHARED[name]))
def test_supersuit(module: Any, case: Case) -> None:
    with warnings.catch_warnings():
        # SuperSuit itself and what it imports: Gymnasium's deprecations, no code of ours.
        warnings.simplefilter("ignore")
        supersuit = pytest.importorskip("supersuit", exc_type=ImportError)
    settings = case()
    if module.__name__.endswith("batching_v0"):
        settings["homogeneous"] = True  # offload_v0's agents have one space anyway
    env = module.parallel_env(**settings)
    agents, shape = len(env.possible_agents), env.observation_space(env.possible_agents[0]).shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vector = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(env), 1, base_class="gymnasium")
    observations, _ = vector.reset(seed=0)
    for _ in range(25):
        actions = np.stack([vector.action_space.sample() for _ in range(agents)])
        observations, rewards, terminations, _, _ = vector.step(actions)
        assert observations.shape == (agents, *shape) and not terminations.any()
    assert rewards.shape == (agents,)
