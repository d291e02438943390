"""Small scenarios with agents, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario
from tests.envs.offload.small import write

DETECTORS = {"placement.detectors.agent": True}
ALL = {**DETECTORS, "placement.second.agent": True, "placement.hub.agent": True}


def _made(folder: Path, agents: dict[str, bool], churn: bool = False) -> Scenario:
    return load_scenario(write(folder, churn), agents, split="all")


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Every instance has an agent, all devices are always there."""
    return _made(tmp_path_factory.mktemp("calm"), ALL)


@pytest.fixture(scope="session")
def churning(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Device b leaves and returns."""
    return _made(tmp_path_factory.mktemp("churning"), ALL, churn=True)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Only detectors have agents."""
    return _made(tmp_path_factory.mktemp("mixed"), DETECTORS)
