"""`octogym.cluster.Observer` sees what `batching_v0` sees, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from octogym.agents.random import RandomPolicy
from octogym.cluster.observation import Observer
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.envs.core import BatchingCore
from tests.cluster import small_scenario


@pytest.mark.parametrize("name", ["traffic-2", "scale-4", "small"])
def test_observer_and_environment_see_the_same(name: str, tmp_path: Path) -> None:
    """Under a random policy, devices that leave (small), drops and thread changes that were asked for once."""
    scenario = load_scenario(str(small_scenario.write(tmp_path)) if name == "small" else name)
    core = BatchingCore(scenario, num_envs=2, horizon=1000)
    observer = Observer(core.cluster, 2)
    frame = core.reset(5)
    assert np.array_equal(observer.push(core.telemetry), core.observation)
    policy = RandomPolicy()
    policy.reset(core.cluster, 2, 5)
    for _ in range(70):
        core.adopt(policy.act(core.view()))
        frame = core.advance()
        seen = observer.push(core.telemetry)
        assert seen.dtype == np.float32 and np.array_equal(seen, frame.eight)
    assert (seen != 0).any((0, 1)).sum() > 4


def test_a_new_episode_of_one_environment_is_seen_afresh() -> None:
    backend = make_backend("sim", load_scenario("scale-4"), num_envs=2)
    observer, alone = Observer(backend.cluster, 2), Observer(backend.cluster, 2)
    for window in Runner(backend, RandomPolicy()).windows(20):
        observer.push(window.telemetry)
    assert (observer.rate > 0).all()
    begun = backend.reset(9, np.array([False, True])).copy()
    before = observer.rate[0].copy()
    first = observer.push(begun).copy()
    assert not observer.rate[1].any() and not first[1, :, 3:7].any()
    assert np.array_equal(first[1], alone.push(begun)[1]) and before.any()
