"""The linear programme of one interval, against cases solved by hand and against random shares."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from octogym.cluster.errors import MissingExtra
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.rivals.interval import LEVELS, MOVE, SPOILS, Interval, best_shares

pytest.importorskip("scipy")


def interval(demand, capacity, edges=None, up=None, down=None, backlog=None):
    demand, capacity = np.asarray(demand, float), np.asarray(capacity, float)
    steps, nodes = len(demand), capacity.shape[-1]
    return Interval(
        demand,
        np.broadcast_to(capacity, (steps, nodes)).copy(),
        np.ones((nodes, nodes), bool) if edges is None else np.asarray(edges, bool),
        np.full((steps, nodes), 1e6) if up is None else np.broadcast_to(np.asarray(up, float), (steps, nodes)).copy(),
        np.full((steps, nodes), 1e6) if down is None else np.broadcast_to(np.asarray(down, float), (steps, nodes)),
        np.zeros(nodes) if backlog is None else np.asarray(backlog, float),
    )


def price(case, shares):
    """What the programme minimises, written another way."""
    demand, agents = case.demand, case.demand.shape[1]
    flow = demand[:, :, None] * shares[None, :agents]
    here = np.arange(agents)
    for t, j in np.argwhere(case.capacity == 0):
        home = flow[t, :, j].copy()
        flow[t, :, j] = 0.0
        flow[t, here, here] += home
    total = 0.0
    usual = case.capacity[case.capacity > 0].mean() if case.capacity.any() else 1.0
    away = flow.copy()
    away[:, here, here] = 0.0
    for used, limit in ((flow.sum(1), case.capacity), (away.sum(2), case.up[:, :agents]), (away.sum(1), case.down)):
        for level, cost in LEVELS:
            over = np.maximum(used - level * limit, 0)
            total += cost * (over * (np.clip(limit / usual, *SPOILS) if level == 1.0 else 1.0)).sum()
    wished = demand[:, :, None] * shares[None, :agents]
    wished[:, here, here] = 0.0
    return total + MOVE * wished.sum()


def test_what_is_too_much_goes_where_there_is_room():
    shares = best_shares(interval([[20.0, 0.0]], [10.0, 10.0]))
    assert shares[0].tolist() == pytest.approx([0.5, 0.5])
    assert shares[1].tolist() == pytest.approx([0, 1])


def test_nothing_moves_without_need():
    assert best_shares(interval([[4.0, 1.0]], [10.0, 10.0])).tolist() == np.eye(2).tolist()


def test_no_way_no_move():
    assert best_shares(interval([[20.0, 0.0]], [10.0, 10.0], edges=np.zeros((2, 2)))).tolist() == np.eye(2).tolist()


@pytest.mark.parametrize("slow", ["up", "down"])
def test_a_slow_link_gets_no_more_than_it_carries(slow):
    sent = 17 * best_shares(interval([[17.0, 0.0]], [10.0, 10.0], **{slow: [8.0, 8.0]}))[0, 1]
    assert 7 - 1e-6 <= sent <= 8 + 1e-6


def test_what_fits_nowhere_spoils_the_slow_link_and_not_the_node():
    shares = best_shares(interval([[20.0, 0.0]], [10.0, 10.0], up=[4.0, 4.0]))
    assert 20 * shares[0, 0] == pytest.approx(10, abs=1e-6)


def test_shares_serve_every_second_of_the_interval():
    # Node 1 has room in the first second only: both seconds together decide.
    case = interval([[10.0, 0.0], [10.0, 10.0]], [10.0, 10.0])
    assert best_shares(case)[0, 0] == pytest.approx(1, abs=0.6)
    worst = interval([[20.0, 0.0], [20.0, 10.0]], [10.0, 10.0])
    assert price(worst, best_shares(worst)) <= price(worst, np.eye(2)) + 1e-9


def test_what_waits_takes_room():
    free = best_shares(interval([[15.0, 0.0]], [10.0, 10.0]))[0, 1]
    full = best_shares(interval([[15.0, 0.0]], [10.0, 10.0], backlog=[0.0, 9.0]))[0, 1]
    assert full < free


def test_a_node_that_is_away_gets_nothing():
    shares = best_shares(interval([[20.0, 0.0]], [10.0, 0.0]))
    assert shares[0].tolist() == pytest.approx([1, 0])


def test_before_a_node_leaves_it_is_used():
    case = interval([[20.0, 0.0], [5.0, 0.0]], [10.0, 10.0])
    case.capacity[1, 1] = 0.0
    assert best_shares(case)[0, 1] > 0.4


@settings(max_examples=60)
@given(st.data())
def test_no_feasible_shares_are_better(data):
    agents, others, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2)), data.draw(st.integers(1, 3))
    nodes = agents + others
    numbers = st.floats(0, 30, allow_subnormal=False).map(lambda x: round(x, 3))
    case = interval(
        data.draw(arrays(float, (steps, agents), elements=numbers)),
        data.draw(arrays(float, (steps, nodes), elements=numbers)),
        data.draw(arrays(bool, (nodes, nodes))),
        data.draw(arrays(float, nodes, elements=numbers)),
        data.draw(arrays(float, nodes, elements=numbers)),
    )
    found = best_shares(case)
    assert (found >= 0).all() and found.sum(1) == pytest.approx(1)
    ways = case.edges | np.eye(nodes, dtype=bool)
    ways[agents:] = np.eye(nodes, dtype=bool)[agents:]
    assert not found[~ways].any()
    weight = data.draw(arrays(float, (nodes, nodes), elements=st.floats(0, 1, allow_subnormal=False))) * ways
    weight[np.arange(nodes), np.arange(nodes)] += 0.01
    other = weight / weight.sum(1, keepdims=True)
    for shares in (other, np.eye(nodes)):
        assert price(case, found) <= price(case, shares) + 1e-5


def test_bad_input_is_refused():
    good = interval([[20.0, 0.0]], [10.0, 10.0])
    with pytest.raises(SchedulerError, match="demand"):
        best_shares(good._replace(demand=np.zeros((0, 2))))
    with pytest.raises(SchedulerError, match="capacity"):
        best_shares(good._replace(capacity=np.zeros((1, 3))))
    with pytest.raises(SchedulerError, match="up"):
        best_shares(good._replace(up=np.full((1, 2), -1.0)))


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match="bench"):
        best_shares(interval([[20.0, 0.0]], [10.0, 10.0]))
