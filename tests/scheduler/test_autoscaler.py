"""Replicas between two schedules."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.autoscaler import Autoscaler
from octogym.scheduler.estimate import Model
from octogym.scheduler.layout import Layout
from octogym.scheduler.pools import Pool

from .tiny import cluster


@pytest.fixture
def scaled():
    """An autoscaler with three replicas of a stage that does 200/s at batch 1, one of them active."""
    of = cluster(replicas=3, detector_at_edge=False, reader_at_edge=False)
    slots = tuple(i for i, x in enumerate(of.instances) if x.stage == 1)
    pool = Pool(1, Model(slots, of.instances[slots[0]].profile, 1, 100.0), {0: slots}, 1, [slots[0]])
    autoscaler = Autoscaler(Layout(of))
    autoscaler.adopt([pool])

    def look(now_s, rate):
        rates = np.zeros(of.S)
        rates[pool.active] = rate / len(pool.active)
        return autoscaler.look(now_s, rates), len(pool.active)

    return look


def test_a_replica_is_added_where_the_rate_is_above_085_of_what_there_is(scaled):
    assert scaled(30, 170) == (False, 1)
    assert scaled(60, 171) == (True, 2)


def test_additions_are_150_s_apart(scaled):
    assert scaled(30, 1000) == (True, 2)
    assert scaled(60, 1000) == scaled(150, 1000) == (False, 2)
    assert scaled(180, 1000) == (True, 3)
    assert scaled(400, 1000) == (False, 3)  # there are no more


def test_removals_are_240_s_apart_and_need_a_wider_margin(scaled):
    assert scaled(30, 1000)[1] == 2 and scaled(180, 1000)[1] == 3
    assert scaled(210, 301) == (False, 3)  # 0.75 of two is 300
    assert scaled(240, 300) == (True, 2)
    assert scaled(270, 10) == scaled(450, 10) == (False, 2)
    assert scaled(480, 10) == (True, 1)
    assert scaled(900, 0) == (False, 1)  # the last one stays
