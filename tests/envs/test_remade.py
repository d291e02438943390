"""Copies and pickles of environments, as SuperSuit and others make them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from octogym.envs import batching_v0
from octogym.envs.single_agent import BatchingCentralEnv, BatchingEnv
from octogym.envs.vector import BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend


def rewards(env: Any) -> list:
    env.reset(seed=3)
    if hasattr(env, "possible_agents"):
        return [env.step({agent: np.zeros(3, np.int64) for agent in env.agents})[1] for _ in range(4)]
    return [np.array(env.step(np.zeros(env.action_space.shape, np.int64))[1]).tolist() for _ in range(4)]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize(
    "make",
    [
        lambda: batching_v0.parallel_env(backend=ToyBackend(), horizon=9, render_mode="ansi"),
        lambda: batching_v0.parallel_env(scenario="traffic-2", horizon=9),
        lambda: BatchingEnv(backend=ToyBackend(), agent="node-1/watch.detector", others=None, horizon=9),
        lambda: BatchingCentralEnv("traffic-2", horizon=9),
        lambda: BatchingVectorEnv(2, "traffic-2", "agents", horizon=9),
    ],
)
def test_a_copy_is_a_new_environment_of_the_same_kind(make: Callable[[], Any], copied: Callable[[Any], Any]) -> None:
    env = make()
    twin = copied(env)
    assert type(twin) is type(env) and twin.backend is not env.backend and twin.render_mode == env.render_mode
    expected = rewards(env)
    # Copied in the middle of an episode it begins anew.
    assert rewards(twin) == expected == rewards(copied(env))
