"""What all environments share: shares that stay, resets, episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario
from octogym.envs.columns import SUMS
from octogym.envs.core import BatchingCore
from octogym.envs.single_agent import BatchingEnv
from tests.cluster import small_scenario
from tests.envs.toy_backend import ToyBackend
from tests.envs.toy_policy import Sets


def zeros(core: BatchingCore) -> np.ndarray:
    return np.zeros((core.E, core.S, 3), np.int64)


def test_shares_stay_the_scenarios_beyond_their_validity(tmp_path: Path) -> None:
    core = BatchingCore(load_scenario(str(small_scenario.write(tmp_path))), horizon=50)
    core.reset(0)
    first = core.telemetry.share_milli.copy()
    assert core.cluster.share_validity < 40 and set(first[0].tolist()) == {150, 700, 1000}
    for _ in range(40):
        core.decide(zeros(core))
        core.advance()
    assert np.array_equal(core.telemetry.share_milli, first)


def test_shares_that_another_policy_sets_are_its_own(tmp_path: Path) -> None:
    scenario = load_scenario(str(small_scenario.write(tmp_path)))
    group = np.array([route.group for route in scenario.cluster.routes])
    first_of_group = np.concatenate([[True], np.diff(group) != 0])

    class AllLocal(Sets):
        def act(self, view):
            decision = super().act(view)
            decision.share_milli[:] = np.where(first_of_group, 1000, 0)
            return decision

    env = BatchingEnv(scenario, others=AllLocal(1), horizon=50)
    env.reset(seed=0)
    for _ in range(35):
        env.step(np.zeros(3, np.int64))
        assert np.array_equal(env._core.telemetry.share_milli[0], np.where(first_of_group, 1000, 0))


def test_the_first_reset_is_of_all() -> None:
    core = BatchingCore(backend=ToyBackend(num_envs=3))
    with pytest.raises(ValueError, match="the first reset begins all 3 environments; the mask marks 1"):
        core.reset(0, np.array([True, False, False]))


def test_actions_have_one_shape() -> None:
    core = BatchingCore(backend=ToyBackend(num_envs=2))
    core.reset(0)
    with pytest.raises(ValueError, match=r"shape \(1, 3, 3\); allowed: \(2, 3, 3\)"):
        core.decide(np.zeros((1, 3, 3), np.int64))
    with pytest.raises(ValueError, match="environment 1"):
        core.decide(np.stack([np.zeros((3, 3)), np.full((3, 3), 9)]).astype(np.int64))


def test_some_columns_alone_can_be_decided() -> None:
    core = BatchingCore(backend=ToyBackend(num_envs=2))
    core.reset(0)
    core.decide(np.full((2, 1, 3), [[[0, 6, 0]]]), np.array([1]))
    assert core.decision.batch.tolist() == [[-1, 7, -1]] * 2


def test_environments_that_begin_anew_leave_the_others_alone() -> None:
    core, twin = (BatchingCore(backend=ToyBackend(num_envs=3), horizon=30) for _ in range(2))
    for each in (core, twin):
        each.reset(5)
    for k in range(8):
        for each in (core, twin):
            each.decide(zeros(each))
        frame = core.advance(np.array([False, k == 4, False]))
        expected = twin.advance()
        assert np.array_equal(frame.observation[[0, 2]], expected.observation[[0, 2]])
        assert np.array_equal(frame.reward[[0, 2]], expected.reward[[0, 2]])
        if k == 4:
            assert not frame.reward[1].any() and core.clock.tolist() == [5, 0, 5]


def test_a_batch_is_what_each_is_alone() -> None:
    batch = BatchingCore("traffic-2", num_envs=64, horizon=8)
    batch.reset(10)
    alone = {e: BatchingCore("traffic-2", horizon=8) for e in (0, 31, 63)}
    for e, core in alone.items():
        core.reset(10 + e)
    rng = np.random.default_rng(0)
    for _ in range(8):
        actions = rng.integers(0, batch.sizes, (64, batch.S, 3))
        batch.decide(actions)
        frame = batch.advance()
        for e, core in alone.items():
            core.decide(actions[e : e + 1])
            single = core.advance()
            assert np.array_equal(frame.observation[e], single.observation[0])
            assert np.array_equal(frame.reward[e], single.reward[0])
            assert np.array_equal(frame.values[e, :-1], single.values[0, :-1])
            assert np.array_equal(frame.values[e, -1, :SUMS], single.values[0, -1, :SUMS])
    assert {e: frame.figures[e] for e in alone} == {e: core.frame.figures[0] for e, core in alone.items()}
