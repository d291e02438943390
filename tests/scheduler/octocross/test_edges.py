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
    assert edges[1].tolist() == [True, False, True, False, True]
    assert not edges[3, 4] and not edges[4].any()
    valid = np.array([True, True, False, True, True])
    edges = valid_edges(view, valid, servers, targets=2)
    assert edges[0].tolist() == [False, True, False, True, True]
    assert not edges[2].any() and not edges[:, 2].any()
