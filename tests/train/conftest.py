"""A small training scenario on synthetic traces."""

from __future__ import annotations

import pytest

from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario

pytest.importorskip("torch")


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return load_scenario("traffic-2", traces="synthetic", split="train")
