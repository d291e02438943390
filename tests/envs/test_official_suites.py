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

from octogym.envs import registration
from tests.envs.toy_backend import ToyBackend

# A Backend of a third party, the quick start, and agents of many kinds.
SETTINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "toy": lambda: {"backend": ToyBackend(absent={1: (5, 9)}, silent={2: (3, 6)})},
    "traffic-2": lambda: {"scenario": "traffic-2", "horizon": 30},
    "scale-16": lambda: {"scenario": "scale-16", "horizon": 10},
    "shared space": lambda: {"backend": ToyBackend(absent={0: (2, 4)}), "homogeneous": True},
}
modules = pytest.mark.parametrize(
    "module", [importlib.import_module(path) for path in registration.PETTINGZOO.values()]
)
cases = pytest.mark.parametrize("case", SETTINGS)
ids = pytest.mark.parametrize("name", registration.GYMNASIUM)


@modules
@cases
def test_parallel_api(module: Any, case: str) -> None:
    parallel_api_test(module.parallel_env(**SETTINGS[case]()), num_cycles=60)


# Advice, not rules: an action of three settings is a MultiDiscrete, and agents are called what the scenario calls them.
@pytest.mark.filterwarnings("ignore:Action space for each agent probably should be:UserWarning")
@pytest.mark.filterwarnings("ignore:We recommend agents to be named in the format:UserWarning")
@modules
@cases
def test_aec_api(module: Any, case: str) -> None:
    for make in (module.env, module.raw_env):
        api_test(make(**SETTINGS[case]()), num_cycles=15)


@modules
@cases
def test_seeds(module: Any, case: str) -> None:
    parallel_seed_test(lambda: module.parallel_env(**SETTINGS[case]()), num_cycles=5)
    seed_test(lambda: module.env(**SETTINGS[case]()), num_cycles=5)


@modules
@cases
def test_state(module: Any, case: str) -> None:
    state_test(module.env(**SETTINGS[case]()), module.parallel_env(**SETTINGS[case]()))


@modules
@cases
def test_rendering(module: Any, case: str) -> None:
    render_test(lambda render_mode: module.env(render_mode=render_mode, **SETTINGS[case]()))


@ids
@pytest.mark.parametrize("case", ["traffic-2", "scale-16"])
def test_gymnasium(name: str, case: str) -> None:
    env = gymnasium.make(name, **SETTINGS[case]())
    check_env(env.unwrapped)
    env.close()


@ids
def test_stable_baselines3(name: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker", exc_type=ImportError)
    checker.check_env(gymnasium.make(name, horizon=30).unwrapped)


@modules
@pytest.mark.parametrize("case", ["shared space", "scale-16"])
def test_supersuit(module: Any, case: str) -> None:
    with warnings.catch_warnings():
        # SuperSuit itself and what it imports: Gymnasium's deprecations, no code of ours.
        warnings.simplefilter("ignore")
        supersuit = pytest.importorskip("supersuit", exc_type=ImportError)
    env = module.parallel_env(**{**SETTINGS[case](), "homogeneous": True})
    agents = len(env.possible_agents)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vector = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(env), 1, base_class="gymnasium")
    observations, _ = vector.reset(seed=0)
    for _ in range(25):
        actions = np.stack([vector.action_space.sample() for _ in range(agents)])
        observations, rewards, terminations, _, _ = vector.step(actions)
        assert observations.shape == (agents, 8) and not terminations.any()
    assert rewards.shape == (agents,)
