"""When a decision is due."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.trigger import Reason, Rhythm, Trigger, limits_passed

CALM, LOADED = np.zeros((3, 2), bool), np.array([[True, False], [False] * 2, [False] * 2])
DEEP, BOTH = np.array([[False] * 2, [False, True], [False] * 2]), np.array([[True] * 2, [False] * 2, [False] * 2])


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        # Every 15 s.
        (dict.fromkeys(range(40), CALM), {1: "start", 16: "period", 31: "period"}),
        # At an overload, which begins the 15 s anew.
        ({t: LOADED if t >= 9 else CALM for t in range(40)}, {1: "start", 9: "overload", 24: "period", 39: "period"}),
        # Not within the cool-down.
        ({t: LOADED if t >= 2 else CALM for t in range(20)}, {1: "start", 4: "overload", 19: "period"}),
        # What was over before the decision is nothing new.
        (dict.fromkeys(range(20), LOADED), {1: "start", 16: "period"}),
        # Another node, or another limit, is.
        ({t: LOADED if t < 8 else BOTH for t in range(20)}, {1: "start", 8: "overload"}),
        ({t: LOADED if t < 8 else LOADED | DEEP for t in range(20)}, {1: "start", 8: "overload"}),
        # So is one that was well at a decision in between.
        (
            {t: LOADED if t < 3 or t >= 20 else CALM for t in range(24)},
            {1: "start", 16: "period", 20: "overload"},
        ),
    ],
)
def test_decisions_are_due(seen, due):
    trigger, found = Trigger(2), {}
    for t, over in seen.items():
        reason = trigger.due(float(t), over)
        if reason is not None:
            found[t] = reason.value
    assert found == due


def test_nothing_is_due_before_the_warm_up():
    trigger = Trigger(2, Rhythm(warm_up_s=30, period_s=5))
    assert [t for t in range(50) if trigger.due(t, LOADED)] == [30, 35, 40, 45]


def test_limits_of_load_queue_and_latency():
    given = {"load": np.array([5.0, 6.0, 9.0]), "capacity": np.array([5.0, 5.0, 5.0])}
    valid, queue = np.array([True, True, False]), np.array([51.0, 50.0, 99.0])
    over = limits_passed(Rhythm(), valid, queue=queue, slo_share=np.array([0.9, 0.7, 0.9]), **given)
    assert over.tolist() == [[False, True, False], [True, False, False], [False] * 3]
    over = limits_passed(Rhythm(late_share=0.8), valid, queue=queue, slo_share=np.array([0.9, 0.8, 0.9]), **given)
    assert over[2].tolist() == [True, False, False]


@pytest.mark.parametrize("wrong", [{"period_s": 0}, {"cool_down_s": -1}, {"late_share": 0}, {"queue": float("nan")}])
def test_wrong_times_are_refused(wrong):
    with pytest.raises(SchedulerError, match=next(iter(wrong))):
        Rhythm(**wrong)


def test_reasons_have_words():
    assert {reason.value for reason in Reason} == {"start", "period", "overload"}
