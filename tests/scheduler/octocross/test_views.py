"""The adjacency views and the edges."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.views import network, physical, resource, valid_edges


def test_who_follows_whom_is_seen_and_only_that_way():
    x = np.random.default_rng(0).normal(10, 2, (600, 2))
    x[12:, 1] = x[:-12, 0]  # node 1 is node 0, 12 samples later
    x = np.column_stack([x, np.full(600, 5.0), 20 - x[:, 0]])
    view = physical(x)
    assert view[0, 1] == pytest.approx(1, abs=0.02) and view[1, 0] < 0.2
    assert not view[2].any() and not view[:, 2].any()  # a load that never changes
    assert view[0, 3] < 0.2  # what falls as the other rises
    assert not view.diagonal().any() and view.min() >= 0 and view.max() <= 1
    with pytest.raises(SchedulerError, match="lags"):
        physical(x[:20])


def test_faster_links_are_better_and_slow_ones_none():
    view = network(np.array([50e6, 50e6, 1e5]), np.array([50e6, 5e6, 50e6]))
    assert view[0, 2] > view[0, 1] > 0
    assert not view[2].any() and not view.diagonal().any()
    assert view[0, 2] == pytest.approx(np.exp(-(((0.005 + 48_000 / 50e6) / 0.02) ** 2)))
    assert not network(np.zeros(2), np.ones(2)).any()
    with pytest.raises(SchedulerError, match="bit/s"):
        network(np.array([-1.0, 1]), np.ones(2))


def test_room_is_the_targets():
    view = resource(np.array([4.0, 12.0, 0.0, 0.0]), np.array([10.0, 10, 10, 0]), np.array([0.5, 0, 0, 0]))
    assert view[1].tolist() == pytest.approx([0.3, 0, 1, 0])
    assert not view.diagonal().any()


def test_edges_lead_to_the_best_connected_and_to_servers():
    view = np.full((5, 5), 0.5)
    view[0] = [0, 0.2, 0.9, 0.4, 0.3]
    view[3, 4] = 0.0
    np.fill_diagonal(view, 0)
    servers = np.array([False, False, False, False, True])
    edges = valid_edges(view, np.ones(5, bool), servers, targets=2)
    assert edges[0].tolist() == [False, False, True, True, True]
    assert edges[1].tolist() == [True, False, True, False, True]
    assert not edges[3, 4] and not edges[4].any()
    valid = np.array([True, True, False, True, True])
    edges = valid_edges(view, valid, servers, targets=2)
    assert edges[0].tolist() == [False, True, False, True, True]
    assert not edges[2].any() and not edges[:, 2].any()
