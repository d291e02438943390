"""What is kept of a running loop."""

from __future__ import annotations

import numpy as np

from octogym.scheduler.offload.collected import Collected


def push(collected: Collected, value: float, there=(True, True)) -> None:
    both = np.full(2, value)
    collected.push(both, np.array(there), both * 10, both * 100)


def test_the_last_samples_oldest_first():
    collected = Collected(2)
    for value in range(1000):
        push(collected, value)
    assert len(collected) == 1000
    recent = collected.recent(3)
    assert recent.load[:, 0].tolist() == [997, 998, 999]
    assert recent.up_bps[:, 1].tolist() == [9970, 9980, 9990] and recent.down_bps[-1, 0] == 99900
    assert len(collected.recent(5000).load) == 1000


def test_no_more_is_kept_than_was_asked_for():
    collected = Collected(2, keep=10)
    for value in range(25):
        push(collected, value)
    assert len(collected) == 10
    assert collected.recent(99).load[:, 0].tolist() == list(range(15, 25))


def test_a_missing_node_has_no_load():
    collected = Collected(2)
    push(collected, 7.0, there=(True, False))
    recent = collected.recent(1)
    assert recent.load.tolist() == [[7.0, 0.0]] and recent.there.tolist() == [[True, False]]
    recent.load[:] = 0
    assert collected.recent(1).load[0, 0] == 7.0
