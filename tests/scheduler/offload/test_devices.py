"""States of devices over time, with a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.devices import Devices, Patience, State

AWAY, NEW, ACTIVE, MISSING, REMOVED = State


def heard(devices: Devices, now_s: float, present: bool = True, age_s: float = 0.0) -> State:
    devices.update(now_s, np.array([present]), np.array([age_s]))
    return State(devices.state[0])


LATER = ((259, False, 0, MISSING), (260, False, 0, REMOVED))
# (second, present, age of the last metric) -> state
STORIES = {
    "a known device is active at once": ([(0, True, 0, ACTIVE), (9, True, 0, ACTIVE)], ["a"], Patience()),
    "one that was never seen is away": (
        [(0, False, 0, AWAY), (900, False, 0, AWAY), (901, True, 0, ACTIVE)],
        ["a"],
        Patience(),
    ),
    "absence masks at once": ([(0, True, 0, ACTIVE), (1, False, 0, MISSING)], ["a"], Patience()),
    "silence masks after 5 s": (
        [(0, True, 0, ACTIVE), (5, True, 5, ACTIVE), (6, True, 5.5, MISSING), (7, True, 0, ACTIVE)],
        ["a"],
        Patience(),
    ),
    "back within the grace period": (
        [(0, True, 0, ACTIVE), (10, False, 0, MISSING), (159, False, 0, MISSING), (159.5, True, 0, ACTIVE)],
        ["a"],
        Patience(),
    ),
    "given up after it": (
        [(0, True, 0, ACTIVE), (10, False, 0, MISSING), (159.9, False, 0, MISSING), (160, False, 0, REMOVED)],
        ["a"],
        Patience(),
    ),
    "the grace period begins anew": (
        [(0, True, 0, ACTIVE), (9, False, 0, MISSING), (99, True, 0, ACTIVE), (110, False, 0, MISSING), *LATER],
        ["a"],
        Patience(),
    ),
    "a removed one comes back as new": (
        [
            (0, True, 0, ACTIVE),
            (1, False, 0, MISSING),
            (3, False, 0, REMOVED),
            (9, True, 0, NEW),
            (14, True, 0, ACTIVE),
        ],
        ["a"],
        Patience(grace_s=2, collection_s=5),
    ),
    "an unknown one is collected first": (
        [(0, True, 0, NEW), (49, True, 0, NEW), (50, True, 0, ACTIVE)],
        [],
        Patience(collection_s=50),
    ),
    "what is missing is not collected": (
        [(0, True, 0, NEW), (30, False, 0, MISSING), (60, True, 0, NEW), (80, True, 0, NEW), (110, True, 0, ACTIVE)],
        [],
        Patience(collection_s=50),
    ),
    "without a collection it is active at once": ([(0, True, 0, ACTIVE)], [], Patience(collection_s=0)),
}


@pytest.mark.parametrize("story", STORIES)
def test_states_follow_what_is_heard(story):
    events, known, patience = STORIES[story]
    devices = Devices(["a"], known, patience)
    for now_s, present, age_s, state in events:
        assert heard(devices, now_s, present, age_s) is state, f"at {now_s}"
        assert devices.valid[0] == (state in (NEW, ACTIVE))


def test_changes_name_the_device():
    devices = Devices(["a", "b"], ["b"], Patience(grace_s=3))
    first = devices.update(0, np.array([True, True]), np.zeros(2))
    assert [(c.name, c.before, c.after) for c in first] == [("a", AWAY, NEW), ("b", AWAY, ACTIVE)]
    assert devices.update(1, np.array([True, True]), np.zeros(2)) == []
    (gone,) = devices.update(2, np.array([True, False]), np.zeros(2))
    assert (gone.node, gone.after, gone.t_s) == (1, MISSING, 2)
    assert devices.update(4.5, np.array([True, False]), np.zeros(2)) == []
    (removed,) = devices.update(5, np.array([True, False]), np.zeros(2))
    assert (removed.name, removed.before, removed.after) == ("b", MISSING, REMOVED)


def test_all_are_known_if_nothing_is_said():
    devices = Devices(["a", "b"])
    devices.update(0, np.array([True, False]), np.zeros(2))
    assert devices.valid.tolist() == [True, False]


def test_times_must_not_be_negative():
    with pytest.raises(SchedulerError, match="grace_s = -1"):
        Patience(grace_s=-1)
