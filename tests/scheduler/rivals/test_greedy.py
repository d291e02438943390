"""The two balancers: what they move, what they never do, and that they end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.rivals.greedy import IMBALANCE, even_out, relieve

ALL = np.ones((3, 3), bool)
FAST = np.full((3, 3), 1e3)
IDLE = np.zeros(3)


@st.composite
def clusters(draw):
    n = draw(st.integers(1, 8))
    numbers = st.floats(0, 40, allow_subnormal=False)
    return {
        "load": draw(arrays(float, n, elements=numbers)),
        "capacity": draw(arrays(float, n, elements=numbers)),
        "edges": draw(arrays(bool, (n, n))),
        "rate": draw(arrays(float, (n, n), elements=st.floats(0, 30, allow_subnormal=False))),
        "queue": draw(arrays(float, n, elements=st.floats(0, 100, allow_subnormal=False))),
        "valid": draw(arrays(bool, n)),
    }


def after(moved, load):
    return load - moved.sum(1) + moved.sum(0)


@given(clusters())
def test_distreams_keeps_within_what_there_is(cluster):
    load, capacity = cluster["load"], cluster["capacity"]
    moved = even_out(**cluster)
    assert (moved >= 0).all()
    assert (moved.sum(1) <= load + 1e-9).all()  # nobody gives more than it made
    assert after(moved, load).sum() == pytest.approx(load.sum())
    got = moved.sum(0) > 0
    assert (after(moved, load)[got] <= np.maximum(capacity, 0)[got] + 1e-6).all()
    assert (moved <= cluster["rate"] + 1e-9).all()
    forbidden = ~cluster["edges"] | ~cluster["valid"][:, None] | ~cluster["valid"][None, :]
    assert not moved[forbidden].any()


@given(clusters())
def test_the_released_keeps_within_what_there_is(cluster):
    load, capacity = cluster["load"], cluster["capacity"]
    moved = relieve(load, capacity, cluster["edges"])
    assert (moved >= 0).all()
    assert (moved.sum(1) <= np.maximum(load - capacity, 0) + 1e-6).all()
    assert (moved.sum(0) <= np.maximum(capacity - load, 0) + 1e-6).all()
    assert not moved[~cluster["edges"]].any()
    # It ends only when no node with too much has a target with room.
    left, room = after(moved, load) - capacity, capacity - after(moved, load)
    ways = cluster["edges"] & ~np.eye(len(load), dtype=bool)
    assert not (ways & (left > 1e-5)[:, None] & (room > 1e-5)[None, :]).any()


def test_distreams_evens_out_below_capacity_too():
    moved = even_out(np.array([8.0, 0.0, 4.0]), np.full(3, 10.0), ALL, FAST, IDLE)
    assert after(moved, np.array([8.0, 0.0, 4.0])).tolist() == pytest.approx([4, 4, 4])


def test_distreams_leaves_small_differences():
    load = np.array([10.0, 8.0, 9.0])
    assert load.max() / load.mean() - 1 < IMBALANCE
    assert not even_out(load, np.full(3, 10.0), ALL, FAST, IDLE).any()


def test_distreams_counts_loads_relative_to_capacity():
    load, capacity = np.array([12.0, 2.0, 2.0]), np.array([24.0, 4.0, 4.0])
    assert not even_out(load, capacity, ALL, FAST, IDLE).any()


def test_distreams_takes_the_best_link_and_the_shortest_queue():
    load, capacity = np.array([12.0, 0.0, 0.0]), np.array([10.0, 10.0, 10.0])
    rate = np.array([[0.0, 5.0, 9.0], [0, 0, 0], [0, 0, 0]])
    first = even_out(load, capacity, ALL, rate, IDLE)
    assert first[0].tolist() == pytest.approx([0, 0, 8])
    waiting = even_out(load, capacity, ALL, rate, np.array([0.0, 0.0, 1.0]))
    assert waiting[0].tolist() == pytest.approx([0, 5, 3])  # 5 before 9 / 2, then no more fits through the link


def test_the_released_goes_from_most_to_least():
    moved = relieve(np.array([16.0, 11.0, 3.0]), np.full(3, 10.0), ALL)
    assert moved[0, 2] == pytest.approx(6) and moved[1, 2] == pytest.approx(1)
    moved = relieve(np.array([30.0, 11.0, 3.0]), np.full(3, 10.0), ALL)
    assert moved[0, 2] == pytest.approx(7) and moved[1].sum() == 0


def test_bad_input_is_refused():
    with pytest.raises(SchedulerError, match="expected N, N, N x N"):
        relieve(np.ones(3), np.ones(2), ALL)
    with pytest.raises(SchedulerError, match="load"):
        relieve(np.array([1, np.nan, 1]), np.ones(3), ALL)
    with pytest.raises(SchedulerError, match="rate"):
        even_out(np.ones(3), np.ones(3), ALL, np.ones(3), IDLE)
