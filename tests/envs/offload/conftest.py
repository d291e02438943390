"""Small scenarios, made once."""

from __future__ import annotations

import pytest

from octogym.cluster.scenario import Scenario
from tests.envs.offload.small import small


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """All devices are always there."""
    return small(tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="session")
def churning(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Device b leaves and returns."""
    return small(tmp_path_factory.mktemp("churning"), churn=True)
