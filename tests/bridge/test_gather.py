"""The telemetry of a rack from what its devices say. (tests/rack/test_world.py compares it with the simulator's.)"""

from __future__ import annotations

import numpy as np
import pytest

from octogym.bridge.gather import Gatherer
from octogym.bridge.protocol.deployment import deployments
from octogym.bridge.protocol.observations import ObsRows
from octogym.bridge.protocol.rows import COUNTERS, DEVICE, FLAGS, HELD, RESULTS, STATE
from octogym.cluster.registry import load_scenario
from octogym.cluster.telemetry import BINS

NOTHING = np.zeros(0, np.intp)


@pytest.fixture
def cluster():
    return load_scenario("campus-8").cluster


@pytest.fixture
def rack(cluster):
    """A gatherer, and each device's rows so far."""
    parts = deployments(load_scenario("campus-8"), {}, {})
    return Gatherer(cluster, parts), [ObsRows.zeros(parts[device.id]) for device in cluster.devices]


def instances_of(cluster, device):
    return np.array([s for s, instance in enumerate(cluster.instances) if instance.device == device])


def test_before_anything_is_heard_instances_are_as_they_were_placed(cluster, rack):
    t = rack[0].begin()
    initial = [instance.initial for instance in cluster.instances]
    assert t.batch[0].tolist() == [given.batch for given in initial] == [s.batch for s in initial]
    assert t.requested_pre[0].tolist() == [given.pre for given in initial]
    assert t.timeout_ns[0].tolist() == [given.timeout_ns for given in initial]
    assert t.active[0].tolist() == [instance.active for instance in cluster.instances]
    assert t.share_milli[0].tolist() == [route.share_milli for route in cluster.routes]
    assert not t.valid.any() and not t.present.any() and not t.total_arrived.any()


def test_every_device_fills_its_own_rows(cluster, rack):
    gatherer, rows = rack
    gatherer.time(5, 3)
    for d, its in enumerate(rows):
        its.counters[COUNTERS.index("executed")], its.state[STATE.index("in_stage")] = 10 + d, 100 + d
        its.flags[FLAGS.index("set_by")], its.queue[:, 2], its.device[DEVICE.index("cpu_threads")] = d % 3, d, 4 + d
        its.device[DEVICE.index("up_bps")], its.device_counters[0] = -1 if d else 7, d
        gatherer.heard(d, its, NOTHING, fresh=d != 1, age_ns=d)
    t = gatherer.sums()
    of = np.array([instance.device for instance in cluster.instances])
    assert (t.executed[0] == 10 + of).all() and (t.total_executed[0] == 10 + of).all()
    assert (t.in_stage[0] == 100 + of).all() and (t.set_by[0] == of % 3).all() and (t.queue[0, :, 2] == of).all()
    assert (t.valid[0] == (of != 1)).all() and (t.age_ns[0] == of).all() and t.present.all()
    assert t.cpu_threads[0].tolist() == [4 + d for d in range(cluster.D)]
    assert t.gpu_busy_ns[0].tolist() == list(range(cluster.D))
    assert t.bandwidth_bps[0].tolist() == [7] + [0] * (2 * cluster.D - 1)
    gatherer.time(8, 3)
    for d, its in enumerate(rows):
        gatherer.heard(d, its, NOTHING)
    assert not gatherer.sums().executed.any() and (t.total_executed[0] == 10 + of).all()


def test_bins_of_a_device_that_is_not_shown_are_counted_when_it_is(cluster, rack):
    gatherer, rows = rack
    mine = instances_of(cluster, 1)
    flat = rows[1].histograms.reshape(-1)
    first, leaf = 7, (len(mine) + 0) * BINS + 9  # of the receiver's histogram of the first instance, and of its leaves'
    flat[first] = 3
    gatherer.time(1, 1)
    gatherer.silent(1, np.array([first]), present=True, age_ns=4)
    assert not gatherer.sums().latency_hist.any()
    flat[first], flat[leaf] = 5, 2
    gatherer.time(2, 1)
    gatherer.heard(1, rows[1], np.array([leaf]))
    t = gatherer.sums()
    assert t.latency_hist[0, mine[0], 7] == 5 == t.latency_hist.sum()
    assert t.leaf_hist[0, mine[0], 9] == 2 == t.leaf_hist.sum()
    flat[first] = 6
    gatherer.time(3, 1)
    gatherer.heard(1, rows[1], np.array([first, leaf]))
    t = gatherer.sums()
    assert t.latency_hist[0, mine[0], 7] == 1 == t.latency_hist.sum() and not t.leaf_hist.any()
    gatherer.time(4, 1)
    assert not gatherer.sums().latency_hist.any()
    gatherer.begin()
    gatherer.heard(1, rows[1], np.array([first]))
    assert gatherer.sums().latency_hist.sum() == 6


def test_results_are_summed_over_devices_and_what_nobody_has_counted_is_in_flight(cluster, rack):
    gatherer, rows = rack
    rows[0].results[RESULTS.index("generated"), 0] = 9
    rows[1].results[RESULTS.index("on_time_results"), 0] = 3
    rows[2].results[RESULTS.index("late"), 0] = 2
    rows[2].held[HELD.index("overdue"), 0] = 1
    for d in range(3):
        gatherer.heard(d, rows[d], NOTHING)
    t = gatherer.sums()
    assert (t.generated[0, 0], t.on_time_results[0, 0], t.late[0, 0]) == (9, 3, 2)
    assert (t.in_flight[0, 0], t.overdue[0, 0]) == (4, 1)


def test_devices_tell_of_different_cameras():
    scenario = load_scenario("traffic-2")
    parts = deployments(scenario, {}, {})
    gatherer, (first, second, server) = Gatherer(scenario.cluster, parts), map(ObsRows.zeros, parts.values())
    first.results[0, 0], second.results[0, 0], server.results[1] = 10, 20, [3, 4]
    server.held[HELD.index("overdue")] = [1, 2]
    for d, rows in enumerate((first, second, server)):
        gatherer.heard(d, rows, NOTHING)
    t = gatherer.sums()
    assert (RESULTS[:2], t.generated[0].tolist(), t.on_time_results[0].tolist()) == (
        ("generated", "on_time_results"),
        [10, 20],
        [3, 4],
    )
    assert (t.in_flight[0].tolist(), t.overdue[0].tolist()) == ([7, 16], [1, 2])
