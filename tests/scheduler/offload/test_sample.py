"""The three views of a cluster."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.offloading import views
from octogym.scheduler.offload.sample import adjacency


def test_views_of_a_small_cluster():
    rng = np.random.default_rng(0)
    up, down = rng.uniform(1e5, 2e8, 5), rng.uniform(1e6, 1e9, 5)
    crops = np.array([6000.0, 6000.0, 3000.0, 3000.0, 9000.0])
    load, capacity = rng.uniform(0, 20, 5), np.full(5, 10.0)
    physical = rng.random((3, 3))
    found = adjacency(physical, up, down, crops, 0.005, load, capacity, np.array([True, True, True, True, False]))
    expected = np.zeros((3, 5, 5))
    expected[0, :3, :3] = physical
    expected[1] = views.network(np.minimum(up[:, None], down), crops[:, None], 0.005)
    expected[2] = views.room(load, capacity)
    expected[:, 4] = expected[:, :, 4] = 0
    expected[:, np.arange(5), np.arange(5)] = 0
    assert found == pytest.approx(expected, abs=0)


def test_one_size_of_crops_for_all():
    ones = np.ones(3)
    found = adjacency(np.zeros((0, 0)), 5e7 * ones, 1e9 * ones, 6000.0, 0.005, ones, 2 * ones, np.ones(3, bool))
    assert (found[0] == 0).all() and found[1, 0, 1] > 0 and found[2, 0, 1] == 0.5
