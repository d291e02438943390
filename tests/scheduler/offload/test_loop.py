"""The scheduling loop, driven by hand."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.devices import Patience, State
from octogym.scheduler.offload.loop import LoopSettings, SchedulingLoop, Sighting
from octogym.scheduler.offload.trigger import Reason, Rhythm

NAMES = ("a", "b", "hub")
HALF = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def seen(now_s, present=(True, True, True), load=(1.0, 1.0, 1.0), queue=(0, 0, 0), age_s=(0, 0, 0)) -> Sighting:
    return Sighting(now_s, np.array(present), np.array(age_s, float), np.array(load), np.array(queue, float))


@pytest.fixture
def loop() -> SchedulingLoop:
    return SchedulingLoop(NAMES, np.array([10.0, 10.0, 20.0]))


def test_decisions_and_what_holds(loop):
    assert loop.look(seen(0)).reason is None
    assert (loop.shares(0) == np.eye(3)).all()
    assert loop.look(seen(1)).reason is Reason.START
    table = loop.commit(HALF)
    assert (table.version, table.issued_s, table.until_s) == (1, 1, 31)
    assert loop.look(seen(2)).reason is None
    assert loop.shares(2) == pytest.approx(HALF)
    assert loop.look(seen(16)).reason is Reason.PERIOD
    assert loop.commit(np.eye(3)).version == 2
    assert (loop.shares(16) == np.eye(3)).all()


def test_an_overload_is_answered_at_once(loop):
    loop.look(seen(1))
    loop.commit(HALF)
    assert loop.look(seen(5, load=(11, 1, 1))).reason is Reason.OVERLOAD
    loop.commit(HALF)
    assert loop.look(seen(9, load=(11, 1, 1))).reason is None
    assert loop.look(seen(10, load=(11, 1, 1), queue=(0, 60, 0))).reason is Reason.OVERLOAD


def test_a_decision_expires_to_local(loop):
    loop.look(seen(1))
    loop.commit(HALF)
    assert loop.shares(30.9) == pytest.approx(HALF)
    assert (loop.shares(31) == np.eye(3)).all()


def test_what_goes_to_a_lost_device_stays_at_home_at_once(loop):
    loop.look(seen(1))
    loop.commit(HALF)
    step = loop.look(seen(2, present=(True, False, True)))
    assert [(c.name, c.after) for c in step.changes] == [("b", State.MISSING)] and step.reason is None
    assert loop.shares(2)[0] == pytest.approx([0.7, 0.0, 0.3])
    # It takes part again as soon as it is back.
    loop.look(seen(3))
    assert loop.shares(3) == pytest.approx(HALF)
    # A device that is gone sends nothing.
    loop.look(seen(4, present=(False, True, True)))
    assert (loop.shares(4) == np.eye(3)).all()


def test_the_grace_period_and_what_follows():
    loop = SchedulingLoop(NAMES, np.full(3, 10.0), LoopSettings(Patience(grace_s=20)))
    loop.look(seen(1))
    loop.commit(HALF)
    loop.look(seen(2, present=(True, False, True)))
    changes = [c for t in range(3, 30) for c in loop.look(seen(t, present=(True, False, True))).changes]
    assert [(c.name, c.after, c.t_s) for c in changes] == [("b", State.REMOVED, 22)]
    assert not loop.valid[1]


def test_a_lost_device_is_no_overload(loop):
    loop.look(seen(1))
    loop.commit(HALF)
    assert loop.look(seen(6, present=(True, False, True), load=(1, 99, 1))).reason is None


def test_pairs_without_a_way_keep_theirs(loop):
    loop.look(seen(1))
    loop.commit(HALF)
    reach = np.ones((3, 3), bool)
    reach[0, 2] = False
    assert loop.shares(2, reach)[0] == pytest.approx([0.5, 0.5, 0.0])


def test_the_period_says_how_long_a_decision_holds():
    loop = SchedulingLoop(NAMES, np.full(3, 10.0), LoopSettings(rhythm=Rhythm(period_s=5)))
    loop.look(seen(1))
    assert loop.commit(HALF).until_s == 11


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(2), "shape"),
        (np.full((3, 3), np.nan), "finite"),
        (np.eye(3) * 0.9, "sum to 1"),
        (np.array([[1.5, -0.5, 0], [0, 1, 0], [0, 0, 1]]), "from 0"),
    ],
)
def test_what_is_no_table_of_shares_is_refused(loop, matrix, message):
    loop.look(seen(1))
    with pytest.raises(SchedulerError, match=message):
        loop.commit(matrix)


def test_time_does_not_run_backwards(loop):
    loop.look(seen(5))
    with pytest.raises(SchedulerError, match="backwards"):
        loop.look(seen(4))
