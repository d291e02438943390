"""Scenarios and runs that the tests of several schedulers share."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.backend import Policy
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario, make_backend, scenarios
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import KEEP
from tests.cluster import small_scenario

SHIPPED = tuple(scenarios())


def shipped(name: str) -> Scenario:
    """A shipped scenario that needs no download."""
    return load_scenario(name) if name.startswith("scale") else load_scenario(name, traces="synthetic")


class Watched:
    """A policy with the decisions that it returned."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.scope, self.period_s = policy, policy.scope, policy.period_s
        self.patches: list[Decision] = []

    def reset(self, *args):
        self.policy.reset(*args)

    def act(self, view):
        patch = self.policy.act(view)
        self.patches.append(patch.copy())
        return patch

    def feedback(self, reward, view):
        self.policy.feedback(reward, view)

    def state_dict(self):
        return self.policy.state_dict()

    def load(self, state):
        self.policy.load(state)

    def decided(self) -> list[int]:
        """When it returned more than a decision that keeps everything."""
        return [k for k, patch in enumerate(self.patches) if (patch.active != KEEP).any()]


def watch(scenario: Scenario, policy: Policy, windows: int, seed: int = 0, num_envs: int = 1) -> Watched:
    """Run a policy; every decision sent is checked for the cluster, and that all requests meet active instances."""
    watched = Watched(policy)
    backend = make_backend("sim", scenario, num_envs=num_envs)
    for window in Runner(backend, watched).windows(windows, seed):
        window.decision.validate(scenario.cluster, num_envs)
        for e in range(num_envs):
            assert reaches_active_instances_only(scenario, window.decision, e)
    backend.close()
    return watched


def reaches_active_instances_only(scenario: Scenario, decision: Decision, e: int) -> bool:
    """Whether exactly those instances are active that a camera's requests can come to."""
    cluster = scenario.cluster
    reached = np.arange(cluster.S + cluster.C) >= cluster.S
    for _ in cluster.stages:
        for r, route in enumerate(cluster.routes):
            reached[route.target] |= reached[route.source] and decision.share_milli[e, r] > 0
    return bool((decision.active[e] == reached[: cluster.S]).all())


@pytest.fixture(scope="session")
def gate(tmp_path_factory) -> Scenario:
    """Two nodes with detector and reader, a hub with two replicas of the reader, routes to either."""
    return load_scenario(str(small_scenario.write(tmp_path_factory.mktemp("gate"))), split="test")
