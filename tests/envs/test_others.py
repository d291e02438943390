"""Instances that a policy decides for."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.errors import ScenarioError
from octogym.envs.single_agent import BatchingEnv
from octogym.envs.vector import BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend
from tests.envs.toy_policy import Sets

SECOND = "node-1/watch.detector"


def make(policy: object, **settings: object) -> BatchingEnv:
    return BatchingEnv(backend=ToyBackend(), agent=SECOND, others=policy, **settings)


def test_the_policy_has_the_others_and_the_agent_its_own() -> None:
    policy = Sets(3)
    env = make(policy)
    env.reset(seed=5)
    env.step(np.array([0, 8, 0]))
    assert env.backend._t.batch.tolist() == [[3, 9, 3]]
    assert policy.due.tolist() == [[True, False, True]] and policy.seeds == [5]


def test_what_the_policy_wants_for_the_agent_is_ignored_whole() -> None:
    env = make(Sets(3, timeout_ns=1000, active=0))
    env.reset(seed=0)
    env.step(np.array([0, 8, 0]))
    t = env.backend._t
    assert t.timeout_ns.tolist() == [[1000, 0, 1000]] and t.active.tolist() == [[0, 1, 0]]


def test_a_long_period_stands_until_the_next_decision() -> None:
    policy = Sets(4, period_s=5)
    env = make(policy, horizon=12)
    env.reset(seed=0)
    rewards = np.zeros((1, 3), np.float32)
    for k in range(12):
        env.step(np.array([0, 0, 0]))
        assert env.backend._t.batch.tolist() == [[4, 1, 4]], k
        rewards += env._core.frame.reward
    assert policy.steps == [0, 5, 10]
    # One reward per decision, the last for the two windows that were left.
    assert len(policy.rewards) == 3 and np.allclose(sum(policy.rewards), rewards)


def test_nobody() -> None:
    env = make(None)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.array([0, 8, 0]))
    # Initial settings (batch 2) run out after three decisions, then the safe ones hold.
    assert env.backend._t.batch.tolist() == [[1, 9, 1]]


def test_each_episode_gets_a_seed_of_its_own() -> None:
    seeds = []
    for _ in range(2):
        policy = Sets()
        env = make(policy)
        for seed in (5, None, None):
            env.reset(seed=seed)
        seeds.append(policy.seeds)
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 3 and seeds[0][0] == 5


def test_a_batch_resets_the_policy_with_its_episodes() -> None:
    policy = Sets()
    env = BatchingVectorEnv(backend=ToyBackend(num_envs=2), agent=SECOND, others=policy, horizon=2)
    env.reset(seed=1)
    for _ in range(4):
        env.step(np.zeros((2, 3), np.int64))
    assert len(policy.seeds) == 2 and policy.steps == [0, 1, 2, 0]


def test_wrong_policies_are_refused() -> None:
    with pytest.raises(ValueError, match=r"others = 3; allowed: a policy's name, a Policy, or None"):
        make(3)
    with pytest.raises(ValueError, match=r"period_s = 1\.5; allowed: a positive multiple of 1\.0 s"):
        make(Sets(period_s=1.5))
    with pytest.raises(ScenarioError, match="no-such-policy"):
        make("no-such-policy")


def test_a_policy_out_of_range_is_refused() -> None:
    env = make(Sets(99))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"decision\.batch\[0, node-0/watch\.detector\] = 99"):
        env.step(np.zeros(3, np.int64))
