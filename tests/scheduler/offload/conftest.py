"""Scenarios of the loop's tests, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

import octogym.cluster.scenarios
from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario
from tests.envs.offload.small import small

CHURN = """
[programme.churn]
devices = ["node03", "node06"]
present_s = [20, 40]
absent_s = [10, 30]
"""


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Three boards and a hub, always there."""
    return small(tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="session")
def churning(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """The same; board b leaves and returns."""
    return small(tmp_path_factory.mktemp("churning"), churn=True)


@pytest.fixture(scope="session")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """campus-8 with two devices that leave and return, on synthetic traces."""
    text = (Path(octogym.cluster.scenarios.__file__).parent / "campus-8.toml").read_text(encoding="utf-8")
    file = tmp_path_factory.mktemp("campus") / "campus-8-churn.toml"
    file.write_text(text + CHURN, encoding="utf-8")
    return load_scenario(str(file), traces="synthetic")
