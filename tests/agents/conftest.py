"""Small scenarios on synthetic traces, so that the tests need no download."""

from __future__ import annotations

import pytest

from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.results import Episode
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario


def traffic(split: str = "test") -> Scenario:
    return load_scenario("traffic-2", traces="synthetic", split=split)


def play(scenario: Scenario, policy, horizon_s: float, seed: int = 0, num_envs: int = 1) -> list[Episode]:
    """The episodes of a policy alone on a scenario."""
    recorder = Runner(make_backend("sim", scenario, num_envs=num_envs), policy).run(horizon_s, seed)
    return [recorder.episode(e) for e in range(num_envs)]


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return traffic()


@pytest.fixture(scope="session")
def cluster(scenario):
    return scenario.cluster
