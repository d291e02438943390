"""When a decision ends."""

from __future__ import annotations

import numpy as np

from octogym.envs.offload.turns import Overload, Turns

SECOND = 1_000_000_000
YES, NO = np.array([True]), np.array([False])


def overload(heavy: bool = False, deep: bool = False) -> Overload:
    return np.array([[False, heavy]]), np.array([[[False] * 5, [deep] * 5]])


def ends(turns: Turns, seen: list[Overload], over_at: int = 99) -> tuple[int, bool]:
    """After how many windows the decision ends, and whether an overload ended it."""
    turns.begin(seen[0])
    for k, now in enumerate(seen[1:] + seen[-1:] * 40, 1):
        stop, interrupted = turns.end(YES, YES if k >= over_at else NO, now)
        if stop[0]:
            return k, bool(interrupted[0])
    raise AssertionError("never")


def test_a_decision_stands_for_fifteen_seconds() -> None:
    calm = [overload()]
    assert ends(Turns(1, SECOND, True), calm) == (15, False)
    assert ends(Turns(1, SECOND // 2, True), calm) == (30, False)
    assert ends(Turns(1, SECOND, True), calm, over_at=4) == (4, False)


def test_a_new_overload_ends_it_after_the_cool_down() -> None:
    for kind in ({"heavy": True}, {"deep": True}):
        early = [overload(), overload(**kind)]
        late = [overload()] * 8 + [overload(**kind)]
        assert ends(Turns(1, SECOND, True), early) == (3, True)
        assert ends(Turns(1, SECOND, True), late) == (8, True)
        assert ends(Turns(1, SECOND, False), early) == (15, False)


def test_an_old_overload_or_one_that_is_over_does_not() -> None:
    assert ends(Turns(1, SECOND, True), [overload(heavy=True)]) == (15, False)
    assert ends(Turns(1, SECOND, True), [overload(), overload(heavy=True), overload()]) == (15, False)
    # The other kind is new.
    assert ends(Turns(1, SECOND, True), [overload(heavy=True), overload(heavy=True, deep=True)]) == (3, True)


def test_environments_end_apart() -> None:
    turns = Turns(2, SECOND, True)
    calm = np.zeros((2, 1), bool), np.zeros((2, 1, 5), bool)
    turns.begin(calm)
    both, heavy = np.ones(2, bool), np.array([[False], [True]])
    for _ in range(3):
        stop, interrupted = turns.end(both, ~both, (heavy, calm[1]))
    assert stop.tolist() == interrupted.tolist() == [False, True]
    stop, _ = turns.end(np.array([True, False]), ~both, calm)
    assert turns.passed.tolist() == [4, 3] and not stop.any()
