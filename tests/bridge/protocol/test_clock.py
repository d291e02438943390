import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from octogym.bridge.protocol.clock import MS, OffsetFilter, Steady, WindowClock, WindowGrid

P = 1_000 * MS


@settings(max_examples=200)
@given(st.integers(-(2**50), 2**50), st.integers(1, 10**10), st.integers(0, 2**50))
def test_a_time_lies_in_the_window_of_its_index(origin, period, past):
    grid = WindowGrid(origin, period)
    window = grid.index(origin + past)
    assert grid.start(window) <= origin + past < grid.end(window) == grid.start(window + 1)


def test_a_steady_clock_goes_on_where_the_one_below_goes_back():
    clock = Steady()
    assert [clock.read(t) for t in (100, 150, 20, 30, 0, 5)] == [100, 150, 150, 160, 160, 165]
    assert clock.outside(170) == 10


@settings(max_examples=200)
@given(st.lists(st.integers(0, 3 * P), max_size=30))
def test_every_window_ends_once_however_late_it_is_noticed(waits):
    clock, now, ended = WindowClock(7, 100, P), 0, 0
    for wait in waits:
        now += wait
        ended += clock.advance(now)
        assert clock.window == 6 + ended
        assert clock.tick_ns - P <= now < clock.tick_ns or ended == 0


@pytest.mark.parametrize(("period", "most"), [(20 * MS, MS), (640 * MS, 10 * MS)])
def test_windows_follow_the_host_by_a_little_at_most_and_never_jump(period, most):
    clock = WindowClock(0, 0, period)
    clock.advance(0)
    first = period // 9
    clock.correct(0, period - first)  # what the start was late by: taken away at once
    ticks = [clock.tick_ns]
    clock.advance(clock.tick_ns)
    clock.correct(1, 2 * period - first - 2 * most - most // 4)
    for _ in range(5):
        ticks.append(clock.tick_ns)
        clock.advance(clock.tick_ns)
    assert [ticks[k + 1] - ticks[k] - period for k in range(5)] == [-first, -most, -most, -most // 4, 0]


def test_a_correction_that_is_too_large_is_left_to_a_new_start():
    clock = WindowClock(0, 0, P)
    clock.advance(0)
    clock.correct(0, 2 * P)
    clock.advance(P)
    assert clock.tick_ns == 2 * P


@settings(max_examples=200)
@given(
    st.integers(-(2**40), 2**40),
    st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(0, 50 * MS)), min_size=1, max_size=40),
)
def test_the_true_offset_is_always_within_the_bound(offset, delays):
    found, now = OffsetFilter(), 0
    for there, back in delays:
        t2 = now + there + offset
        found.add(now, t2, t2 + MS, now + there + MS + back)
        now += P
        assert abs(found.best.offset_ns - offset) <= found.best.bound_ns


def test_a_clock_that_was_set_is_believed_at_once():
    found = OffsetFilter()
    found.add(0, 100, 100, 0)
    found.add(P, P + 500 * MS, P + 500 * MS, P + 4 * MS)
    assert found.best.offset_ns == pytest.approx(498 * MS)


def test_impossible_stamps_forget_everything():
    found = OffsetFilter()
    found.add(0, 0, 0, 0)
    assert found.add(0, 0, 5, 4) is None and found.best is None
