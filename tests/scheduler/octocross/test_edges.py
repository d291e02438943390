"""Who may send to whom."""

from __future__ import annotations

import numpy as np

from octogym.scheduler.octocross.edges import valid_edges


def test_edges_lead_to_the_best_connected_and_to_servers():
    view = np.full((5, 5), 0.5)
    view[0] = [0, 0.2, 0.9, 0.4, 0.3]
    view[3, 4] = 0.0
    np.fill_diagonal(view, 0)
    servers = np.array([False, False, False, False, True])
    edges = valid_edges(view, np.ones(5, bool), servers, targets=2)
    assert edges[0].tolist() == [False, False, True, True, True]
    assert edges[1].tolist() == [False, False, True, True, True]  # equal ones from its own place on
    assert edges[3].tolist() == [True, True, False, False, False]
    assert not edges[4].any()
    valid = np.array([True, True, False, True, True])
    edges = valid_edges(view, valid, servers, targets=2)
    assert edges[0].tolist() == [False, True, False, True, True]
    assert not edges[2].any() and not edges[:, 2].any()


def test_many_targets_are_all_that_can_be_reached():
    view = np.full((4, 4), 0.5)
    view[1, 2] = 0.0
    edges = valid_edges(view, np.ones(4, bool), targets=3)
    assert (edges == ((view > 0) & ~np.eye(4, dtype=bool))).all()
    assert (valid_edges(view, np.ones(4, bool), targets=9) == edges).all()


def test_equally_near_targets_are_spread():
    edges = valid_edges(np.ones((12, 12)), np.ones(12, bool), targets=3)
    assert (edges.sum(0) == 3).all() and (edges.sum(1) == 3).all()
