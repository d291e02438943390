"""Counts of an episode over lost observations and restarts."""

import numpy as np

from octogym.bridge.protocol import ObsRows
from octogym.bridge.protocol.ledger import MAX_PENDING, Ledger
from octogym.bridge.protocol.observations import Observed, ObsLayout
from octogym.bridge.protocol.rows import COUNTERS, HELD, RESULTS, STATE
from tests.bridge.protocol.histories import deployment

DEPLOYMENT = deployment("a", ["a", "b"])
ARRIVED, LOST, IN_STAGE = COUNTERS.index("arrived"), COUNTERS.index("lost"), STATE.index("in_stage")


def observed(arrived, in_stage=0, bins=(), in_flight=0):
    rows = ObsRows.zeros(DEPLOYMENT)
    rows.counters[ARRIVED], rows.state[IN_STAGE] = arrived, in_stage
    rows.held[HELD.index("in_flight"), 1] = in_flight
    index, count = np.array(list(bins), np.uint32).reshape(-1, 2).T
    return Observed(rows.memory, index, count)


def test_windows_are_folded_up_to_the_one_asked_for():
    ledger = Ledger(ObsLayout(DEPLOYMENT))
    for window, arrived in ((3, 10), (4, 30), (6, 70)):
        ledger.add(window, observed(arrived))
    assert [int(ledger.fold(w)[0].counters[ARRIVED, 0]) for w in (2, 3, 5, 6)] == [0, 10, 30, 70]


def test_a_restart_goes_on_counting_and_loses_what_was_held():
    ledger = Ledger(ObsLayout(DEPLOYMENT))
    ledger.add(1, observed(100, in_stage=7, bins=[(5, 90)]))
    ledger.died()
    ledger.add(3, observed(20, in_stage=2, bins=[(5, 10), (6, 1)]))
    totals, changed = ledger.fold(3)
    assert totals.counters[[ARRIVED, LOST], 0].tolist() == [120, 7] and totals.state[IN_STAGE, 0] == 2
    assert totals.histograms.reshape(-1)[[5, 6]].tolist() == [100, 1] and changed.tolist() == [5, 6]
    ledger.died()
    ledger.died()
    totals, changed = ledger.fold(4)
    assert totals.counters[[ARRIVED, LOST], 0].tolist() == [120, 9] and totals.state[IN_STAGE, 0] == 0
    assert totals.histograms.reshape(-1)[[5, 6]].tolist() == [100, 1] and not len(changed)


def test_results_in_flight_at_a_death_are_lost():
    ledger = Ledger(ObsLayout(DEPLOYMENT))
    ledger.add(1, observed(1, in_flight=4))
    ledger.died()
    totals, _ = ledger.fold(1)
    assert totals.results[RESULTS.index("lost_results")].tolist() == [0, 4] and not totals.held.any()


def test_an_owner_that_never_asks_costs_no_memory_and_loses_no_count():
    ledger = Ledger(ObsLayout(DEPLOYMENT))
    for window in range(1000):
        ledger.add(window, observed(window, bins=[(window % 9, window)]))
    assert len(ledger._pending) <= MAX_PENDING and len(ledger._changed) <= MAX_PENDING + 1
    totals, changed = ledger.fold(999)
    assert totals.counters[ARRIVED, 0] == 999 and changed.tolist() == list(range(9))
