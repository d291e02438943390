"""The world of a simulated rack, and the telemetry that its devices' rows make."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("numba")

from octogym.bridge.gather import Gatherer
from octogym.bridge.protocol.deployment import deployments
from octogym.bridge.protocol.observations import ObsRows
from octogym.bridge.scatter import Cutter
from octogym.cluster.registry import load_scenario
from octogym.cluster.telemetry import Telemetry
from octogym.rack.world import World
from octogym.sim import SimBackend
from octogym.testing.decisions import random_decision


def told(world, part):
    """What a device says at the end of the last window, and all of its bins."""
    rows = ObsRows.zeros(part)
    world.read(part, rows)
    return rows, np.arange(rows.histograms.size)


@pytest.mark.parametrize("name", ["traffic-2", "campus-16"])
def test_a_rack_of_devices_sees_what_the_simulator_sees(name):
    scenario = load_scenario(name)
    parts = deployments(scenario, {}, {})
    world, gatherer, sim = World(scenario), Gatherer(scenario.cluster, parts), SimBackend(scenario)
    world.reset(1, seed=5)
    world.end(-1)
    wanted = sim.reset(5)
    gatherer.begin()
    gatherer.time(0, 0)
    for k in range(6):
        for d, part in enumerate(parts.values()):
            gatherer.heard(d, *told(world, part))
        found = gatherer.sums()
        for field in fields(Telemetry):
            ours, theirs = getattr(found, field.name), getattr(wanted, field.name)
            assert ours.dtype == theirs.dtype
            if not (k == 0 and field.name in ("bandwidth_bps",)):
                np.testing.assert_array_equal(ours, theirs, err_msg=f"{field.name} after {k} windows")
        decision = random_decision(scenario.cluster, np.array([5]), k)
        wanted = sim.step(decision)
        for device, rows in Cutter(parts).cut(decision).items():
            world.apply(parts[device], rows)
        world.end(k)
        gatherer.time((k + 1) * scenario.cluster.period_ns, scenario.cluster.period_ns)


def test_a_window_is_simulated_once_and_an_episode_begins_once():
    world = World(load_scenario("traffic-2"))
    world.reset(1, 0)
    for window in (6, 7, 7, 6):
        world.end(window)
    assert (world.window, world.steps) == (8, 1)
    world.reset(1, 0)
    assert world.window == 8
    world.reset(2, 0)
    assert world.window == -1


def test_a_silent_device_is_counted_in_full_when_it_is_heard_again():
    scenario = load_scenario("traffic-2")
    cluster = scenario.cluster
    parts = deployments(scenario, {}, {})
    world, gatherer = World(scenario), Gatherer(cluster, parts)
    world.reset(1, 0)
    world.end(-1)
    arrived = np.zeros(cluster.S, np.int64)
    mine = np.array([instance.device == 0 for instance in cluster.instances])
    for k in range(6):
        world.end(k)
        gatherer.time((k + 1) * cluster.period_ns, cluster.period_ns)
        for d, part in enumerate(parts.values()):
            if d == 0 and k in (2, 3):
                gatherer.silent(d, np.arange(8), present=k == 2, age_ns=k)
            else:
                gatherer.heard(d, *told(world, part))
        t = gatherer.sums()
        arrived += t.arrived[0]
        if k in (2, 3):
            assert not t.arrived[0, mine].any() and not t.valid[0, mine].any() and (t.age_ns[0, mine] == k).all()
            assert t.present[0, 0] == (k == 2)
        else:
            np.testing.assert_array_equal(arrived, t.total_arrived[0])
        fates = t.total_on_time_results + t.total_late + t.total_dropped + t.total_missed + t.total_lost_results
        np.testing.assert_array_equal(t.total_generated, fates + t.in_flight)
