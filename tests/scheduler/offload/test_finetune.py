"""Trainings beside the loop."""

from __future__ import annotations

from threading import Event

import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.finetune import Background, Request, Trial, Tuning

BETTER = Trial("new", 2.0, 1.0)


def came(*names: str, at: float = 0.0) -> Request:
    return Request(names, (), at)


def test_inline_results_come_at_a_stated_time():
    background = Background(Tuning(inline=True, takes_s=30))
    assert background.next() is None
    background.ask(came("a"))
    assert background.next() == came("a")
    background.start(100, lambda stop: BETTER)
    assert background.next() is None
    assert background.poll(129.9) is None
    assert background.poll(130) == (came("a"), BETTER)
    assert background.poll(131) is None


def test_a_thread_leaves_the_loop_alone():
    go, background = Event(), Background(Tuning())
    background.ask(came("a"))
    background.start(0, lambda stop: BETTER if go.wait(10) else Trial(None, 0, 0, "never"))
    assert background.poll(1000) is None
    go.set()
    background.wait(10)
    assert background.poll(1001) == (came("a"), BETTER)


def test_requests_wait_for_each_other():
    background = Background(Tuning(inline=True, takes_s=5))
    background.ask(came("a"))
    background.start(0, lambda stop: BETTER)
    background.ask(came("b", at=1))
    background.ask(Request((), ("a",), 2))
    assert background.next() is None
    background.poll(5)
    assert background.next() == Request(("b",), ("a",), 2)


def test_what_came_and_went_again_counts_as_gone():
    assert came("a", "b").joined(Request((), ("a",), 3)) == Request(("b",), ("a",), 3)
    assert Request((), ("a",), 1).joined(came("a", at=2)) == Request(("a",), (), 2)


def test_what_is_given_up_is_dropped():
    begun, ended, background = Event(), Event(), Background(Tuning())

    def job(stop):
        begun.set()
        while not stop():
            pass
        ended.set()
        return BETTER

    background.ask(came("a"))
    background.start(0, job)
    assert begun.wait(10)
    background.stop()
    assert ended.wait(10) and background.poll(1) is None and background.next() is None


def test_too_little_to_learn_from_is_no_error():
    def job(stop):
        raise SchedulerError("too few samples")

    background = Background(Tuning(inline=True, takes_s=0))
    background.ask(came("a"))
    background.start(0, job)
    _, trial = background.poll(0)
    assert not trial.better and trial.problem == "too few samples"


@pytest.mark.parametrize("inline", [True, False])
def test_other_errors_are_raised_where_the_result_is_waited_for(inline):
    def job(stop):
        raise ZeroDivisionError

    background = Background(Tuning(inline=inline, takes_s=0))
    background.ask(came("a"))
    background.start(0, job)
    background.wait(10)
    with pytest.raises(ZeroDivisionError):
        background.poll(0)
    assert background.poll(1) is None


@pytest.mark.parametrize(
    ("trial", "better"),
    [
        (Trial("new", 2.0, 1.0), True),
        (Trial("new", 2.0, 2.0), True),
        (Trial("new", 1.0, 2.0), False),
        (Trial("new", 1.0, float("nan")), False),
        (Trial(None, 2.0, 1.0, "a problem"), False),
    ],
)
def test_only_what_is_not_worse_counts(trial, better):
    assert trial.better == better


def test_times_must_not_be_negative():
    with pytest.raises(SchedulerError, match="takes_s"):
        Tuning(takes_s=-1)
