"""Settings by another policy."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.runner import PolicyConflict
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.core import OffloadCore
from tests.envs.toy_policy import Sets


def play(core: OffloadCore, steps: int = 1) -> None:
    for _ in range(steps):
        core.decide(np.zeros((core.E, core.N, core.T)))
        core.advance()


def test_a_policy_sets_what_it_sets_and_the_rest_stays(calm: Scenario) -> None:
    policy = Sets(batch=3, period_s=5.0)
    core = OffloadCore(calm, others=policy, interrupt=False)
    core.reset(4)
    play(core)
    t = core.telemetry
    assert (t.batch == 3).all() and not t.set_by.any()
    assert t.timeout_ns[0].tolist() == [i.initial.timeout_ns for i in calm.cluster.instances]
    assert policy.steps == [0, 5, 10] and policy.seeds == [4]
    # One reward per decision, the sum over its windows.
    assert len(policy.rewards) == 3 and policy.rewards[0].shape == (1, calm.cluster.S) and policy.rewards[0].any()


def test_names_resolve_in_the_registry(calm: Scenario) -> None:
    core = OffloadCore(calm, others="static:batch=2", interrupt=False)
    core.reset(0)
    play(core)
    assert (core.telemetry.batch == 2).all()


def test_every_episode_resets_the_policy(calm: Scenario) -> None:
    policy = Sets()
    core = OffloadCore(calm, others=policy, interrupt=False, horizon=15)
    core.reset(4)
    play(core)
    core.reset()
    core.reset(4)
    assert policy.seeds[0] == policy.seeds[2] == 4 and policy.seeds[1] != 4


def test_the_agents_shares_are_theirs(calm: Scenario) -> None:
    class Grabs(Sets):
        def act(self, view: object) -> Decision:
            decision = super().act(view)
            decision.share_milli[0, :5] = [1000, 0, 0, 0, 0]
            return decision

    core = OffloadCore(calm, others=Grabs(), interrupt=False)
    core.reset(0)
    with pytest.raises(PolicyConflict, match="belong to the agents"):
        play(core)


def test_periods_are_whole_windows(calm: Scenario) -> None:
    with pytest.raises(ValueError, match=r"period_s = 0\.5; allowed: a positive multiple of 1\.0 s"):
        OffloadCore(calm, others=Sets(period_s=0.5))


def test_without_a_policy_nothing_expires(calm: Scenario) -> None:
    core = OffloadCore(calm, interrupt=False)
    core.reset(0)
    play(core, 3)
    assert not core.telemetry.set_by.any() and (core.telemetry.batch[0, core.layout.node_of >= 0] == 4).all()
