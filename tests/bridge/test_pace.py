"""When step() returns after a window's end."""

import random
from itertools import pairwise

import pytest

from octogym.bridge.pace import Pace

MS = 1_000_000


def returned(pace, lates):
    """How long after each window's end a step returns."""
    return [late + pace.hold(late) for late in lates]


def test_steps_return_at_the_same_time_though_reports_do_not_come_at_one():
    draw = random.Random(0)
    lates = [draw.randint(2 * MS, 3 * MS) for _ in range(400)]
    found = returned(Pace(50 * MS), lates)
    assert all(late <= back <= 3 * MS for late, back in zip(lates, found, strict=True))
    changes = sorted(abs(after - before) for before, after in pairwise(found[100:]))
    assert changes[int(0.99 * len(changes))] < 0.1 * MS


def test_a_stall_is_waited_for_by_no_other_step():
    pace = Pace(50 * MS)
    lates = [2 * MS] * 100
    lates[50] = 40 * MS
    assert returned(pace, lates) == lates


def test_it_follows_when_devices_become_slower_or_faster():
    pace = Pace(50 * MS)
    assert returned(pace, [2 * MS] * 70)[-1] == 2 * MS
    slower = returned(pace, [9 * MS] * 70)
    assert slower[-1] == 9 * MS
    faster = returned(pace, [2 * MS] * 300)
    assert all(before - MS <= after <= before for before, after in pairwise(faster))
    assert faster[-1] < 2.1 * MS


@pytest.mark.parametrize("most", [0, 5 * MS])
def test_nobody_is_held_beyond_the_most(most):
    pace = Pace(most)
    found = returned(pace, [1 * MS, 8 * MS] * 60)
    assert all(back in (1 * MS, 8 * MS) or back <= most for back in found) and pace.hold_ns <= most


def test_the_first_steps_are_not_held():
    assert Pace(50 * MS).hold(3) == 0
