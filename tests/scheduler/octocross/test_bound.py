"""The bound of perfect knowledge, against cases solved by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from octogym.cluster.errors import MissingExtra
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.bound import offloading_bound

ALL = np.ones((3, 3), bool)


def test_what_fits_somewhere_is_served():
    # Node 0 has 8 too many; node 1 takes 3 and node 2 takes 4 of them: 1 is lost.
    bound = offloading_bound([[18, 7, 6]], [10, 10, 10], ALL, late=0.0)
    assert bound.total == pytest.approx(30)
    assert bound.share == pytest.approx(30 / 31)
    assert bound.served[0].tolist() == pytest.approx([17, 7, 6])
    assert bound.offloaded[0].sum() == pytest.approx(7)


def test_edges_bind():
    edges = np.zeros((3, 3), bool)
    edges[0, 1] = True
    bound = offloading_bound([[18, 7, 6]], [10, 10, 10], edges, late=0.0)
    assert bound.served[0].tolist() == pytest.approx([13, 7, 6])
    assert bound.offloaded[0].tolist() == pytest.approx([3, 0, 0])
    edges = np.stack([edges, ~ALL])  # of each sample its own
    bound = offloading_bound([[18, 7, 6]] * 2, [10, 10, 10], edges, late=0.0)
    assert bound.served[:, 0].tolist() == pytest.approx([13, 10])


def test_links_bind():
    up, down = [5, 0, 0], [0, 1, 9]
    bound = offloading_bound([[18, 7, 6]], [10, 10, 10], ALL, late=0.0, up=up, down=down)
    assert bound.served[0, 0] == pytest.approx(15)  # 1 to node 1, 4 to node 2
    bound = offloading_bound([[18, 7, 6]], [10, 10, 10], ALL, late=0.0, up=[2, 0, 0])
    assert bound.served[0, 0] == pytest.approx(12)


def test_what_arrives_late_in_a_sample_may_end_in_the_next():
    # 2 of the next sample's 10 serve the first one's surplus, and are then not there for its own.
    alone = np.zeros((1, 1), bool)
    assert offloading_bound([[15], [4]], [10], alone, late=0.2).served.ravel().tolist() == pytest.approx([12, 4])
    assert offloading_bound([[15], [10]], [10], alone, late=0.2).total == pytest.approx(22)  # 2 of the third's
    assert offloading_bound([[0], [4]], [10], alone, late=0.2).total == pytest.approx(4)
    # What was carried over once is not carried again.
    assert offloading_bound([[30], [0], [0]], [10], alone, late=0.2).total == pytest.approx(12)


def test_a_node_that_is_not_there_serves_nothing():
    bound = offloading_bound([[5, 5], [5, 5]], [[10, 10], [10, 0]], np.ones((2, 2), bool), late=0.0)
    assert bound.served.sum(1).tolist() == pytest.approx([10, 10])
    assert bound.offloaded[1].tolist() == pytest.approx([0, 5])


def test_moving_costs_so_nothing_moves_for_nothing():
    bound = offloading_bound([[9, 3, 0]], [10, 10, 10], ALL, move_cost=0.05)
    assert bound.offloaded.sum() == pytest.approx(0) and bound.share == pytest.approx(1)
    assert offloading_bound([[0, 0, 0]], [1, 1, 1], ALL).share == 1


def test_what_is_worth_more_is_served_first():
    bound = offloading_bound([[10, 10]], [12, 0], np.ones((2, 2), bool), late=0.0, worth=[1, 3])
    assert bound.served[0].tolist() == pytest.approx([2, 10])
    assert bound.total == pytest.approx(32) and bound.share == pytest.approx(32 / 40)


@given(st.data())
def test_no_shares_serve_more(data):
    """Fixed shares, what is above a node's capacity is lost, and what does not fit through a link is not sent."""
    n, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    numbers = st.integers(0, 300).map(lambda x: x / 10)
    loads, capacity = (data.draw(arrays(float, (steps, n), elements=numbers)) for _ in range(2))
    up, down = (data.draw(arrays(float, n, elements=numbers)) for _ in range(2))
    ways = data.draw(arrays(bool, (n, n))) | np.eye(n, dtype=bool)
    weight = data.draw(arrays(float, (n, n), elements=st.integers(0, 10).map(float))) * ways + 0.1 * np.eye(n)
    sent = loads[:, :, None] * (weight / weight.sum(1, keepdims=True)) * ~np.eye(n, dtype=bool)
    sent *= np.minimum(1, up / np.maximum(sent.sum(2), 1e-9))[:, :, None]
    sent *= np.minimum(1, down / np.maximum(sent.sum(1), 1e-9))[:, None]
    worked = np.minimum(loads - sent.sum(2) + sent.sum(1), capacity).sum()
    for late in (0.0, 0.2):
        assert offloading_bound(loads, capacity, ways, late, up, down, move_cost=0.0).total >= worked - 1e-6


@pytest.mark.data
@pytest.mark.parametrize(("capacity", "local", "pooled"), [(6, 0.571, 0.974), (10, 0.758, 1.000)])
def test_pooling_bounds_of_the_campus(campus, capacity, local, pooled):
    loads = campus[14::15]
    here = offloading_bound(loads, np.full(16, capacity), np.zeros((16, 16), bool), late=0.0)
    assert here.share == pytest.approx(local, abs=0.001)
    assert here.total == pytest.approx(np.minimum(loads, capacity).sum())
    bound = offloading_bound(loads, np.full(16, capacity), np.ones((16, 16), bool), late=0.0)
    assert bound.share == pytest.approx(pooled, abs=0.001)
    assert bound.total == pytest.approx(np.minimum(loads.sum(1), 16 * capacity).sum())


@pytest.mark.parametrize(
    "change",
    [
        {"loads": [1, 2, 3]},
        {"capacity": [1, 2]},
        {"capacity": [1, np.inf, 2]},
        {"loads": [[-1, 2, 3]]},
        {"late": 2},
        {"move_cost": 1},
        {"edges": np.ones((2, 2), bool)},
        {"up": [1, -2, 3]},
        {"worth": [1, 2]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_bad_input_is_refused(change):
    good = {"loads": [[1, 2, 3]], "capacity": [1, 2, 3], "edges": ALL}
    with pytest.raises(SchedulerError, match=next(iter(change))):
        offloading_bound(**{**good, **change})


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match="bench"):
        offloading_bound([[1, 2, 3]], [1, 2, 3], ALL)
