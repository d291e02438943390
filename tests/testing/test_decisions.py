"""Random decisions are valid, and a row depends on its own seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.cluster.topology import Cluster
from octogym.testing.decisions import random_decision
from tests.envs.toy_backend import toy_scenario


@pytest.fixture(params=["toy", "traffic-2", "campus-8"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return toy_scenario().cluster if request.param == "toy" else load_scenario(request.param).cluster


def test_every_decision_is_valid(cluster: Cluster) -> None:
    for step in range(12):
        random_decision(cluster, np.arange(3), step).validate(cluster, 3)


def test_rows_are_their_seeds(cluster: Cluster) -> None:
    for step in range(4):
        batch, alone = random_decision(cluster, 5 + np.arange(3), step), random_decision(cluster, np.array([7]), step)
        for name in Decision.FIELDS:
            assert np.array_equal(getattr(batch, name)[2], getattr(alone, name)[0])


def test_they_differ_from_step_to_step(cluster: Cluster) -> None:
    seen = {random_decision(cluster, np.arange(1), step).batch.tobytes() for step in range(10)}
    assert len(seen) == 10
