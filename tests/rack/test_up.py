"""A simulated rack behind real sockets."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.cluster.telemetry import BY_SAFE
from octogym.rack.faults import Fault, FaultError
from octogym.rack.up import RackError, simulated_rack
from tests.rack.watch import Watch


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


def test_without_curve_on_this_machine(scenario):
    with simulated_rack(scenario, speed=4, curve=False) as rack:
        rack.reset(0)
        Watch(rack).all_heard()


def play(rack, windows):
    """Per window: telemetry, facts by device, seconds that the step took."""
    rack.reset(0)
    decision = Decision.keep(rack.cluster)
    for k in range(windows):
        decision.batch[:] = 1 + k % 2
        begin = time.monotonic()
        t = rack.step(decision)
        yield t, rack.facts, time.monotonic() - begin


@pytest.mark.slow  # real time: a starved machine fails it
@pytest.mark.parametrize(
    ("kind", "code"), [("stuck", "STALE"), ("cut", "LINK_DOWN"), ("restart", "LINK_DOWN")], ids=lambda value: value
)
def test_a_fault_of_one_node_is_seen_at_once_stops_nobody_and_heals(scenario, kind, code):
    cluster = scenario.cluster
    mine = np.array([cluster.devices[instance.device].id == "cam-1" for instance in cluster.instances])
    totals, seen, longest = np.zeros(cluster.S, np.int64), [], 0.0
    with simulated_rack(scenario, speed=2, faults=[Fault(kind, "cam-1", 2.2, 3)]) as rack:
        for t, facts, seconds in play(rack, 12):
            longest = max(longest, seconds)
            totals += t.arrived[0]
            seen.append((t.valid[0, mine].all(), facts["cam-1"].fault, rack.agent_facts()["window_s"][0]))
            if not facts["cam-1"].windows:  # nothing new; what came too late for its window is counted, and not valid
                assert not t.valid[0, mine].any() and not t.arrived[0, mine].any()
                assert t.age_ns[0, mine].min() > 0.4e9
            np.testing.assert_array_equal(totals, t.total_arrived[0])
            fates = t.total_on_time_results + t.total_late + t.total_dropped + t.total_missed + t.total_lost_results
            np.testing.assert_array_equal(t.total_generated, fates + t.in_flight)
            assert (t.total_arrived >= t.total_completed).all()
        assert rack.tally.faults[code] >= 1
    # At 2.2 s the third window runs: its report, or the one after it, is the first to be missing.
    heard = [whole for whole, _, _ in seen]
    assert heard[0] and not all(heard[2:5]) and heard[-1]
    assert code in {fault for _, fault, _ in seen[2:5]}
    # What came meanwhile comes with the first report after it, which says how long it is about.
    back = max(k for k, whole in enumerate(heard) if not whole) + 1
    assert seen[back][2][mine].min() > 0.9
    assert longest < 0.5 + 0.125 + 0.5  # the period, the grace, and a busy machine


@pytest.mark.slow  # real time: a starved machine fails it
def test_a_step_that_comes_late_covers_the_windows_that_it_missed(scenario):
    with simulated_rack(scenario, speed=4) as rack:
        rack.reset(0)
        keep = Decision.keep(rack.cluster)
        before = rack.step(keep)
        t_ns, arrived = int(before.t_ns[0]), before.total_arrived.copy()
        time.sleep(0.8)
        t = rack.step(keep)
        assert rack.tally.late_steps == 1 and rack.tally.skipped >= 3
        assert t.window_ns[0] == t.t_ns[0] - t_ns == (1 + rack.tally.skipped) * 1e9
        np.testing.assert_array_equal(t.arrived, t.total_arrived - arrived)
        assert rack.step(keep).window_ns[0] == 1e9


def test_devices_whose_host_is_gone_fall_to_their_safe_settings(scenario):
    with simulated_rack(scenario, speed=4) as rack:
        rack.reset(0)
        rack.step(Decision.keep(rack.cluster))
        time.sleep(1.5)  # six windows without a word, of which four are enough
        for _ in range(60):
            t = rack.step(Decision.keep(rack.cluster))
            if t.valid.all():  # what was not heard stands still
                break
        assert t.valid.all() and (t.set_by == BY_SAFE).all()


def test_an_episode_begins_anew(scenario):
    with simulated_rack(scenario, speed=2) as rack:
        for _ in range(5):  # a report that came late on a busy machine is another observation
            before = rack.tally.late_steps + rack.tally.faults.total()
            first = [rack.reset(7).copy(), *(rack.step(Decision.keep(rack.cluster)).copy() for _ in range(2))]
            again = [rack.reset(7).copy(), *(rack.step(Decision.keep(rack.cluster)).copy() for _ in range(2))]
            if rack.tally.late_steps + rack.tally.faults.total() == before:
                break
        other = rack.reset()
        assert other.t_ns[0] == 0 and not other.total_arrived.any()
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.total_arrived, two.total_arrived)
        np.testing.assert_array_equal(one.t_ns, two.t_ns)


def test_what_a_rack_cannot_do_is_said(scenario):
    with pytest.raises(RackError, match=r"speed = 0; allowed: above 0, up to 200"), simulated_rack(scenario, speed=0):
        pass
    with simulated_rack(scenario, speed=20) as rack:
        with pytest.raises(RuntimeError, match="before reset"):
            rack.step(Decision.keep(rack.cluster))
        for bad in ({"seed": -1}, {"seed": [1, 2]}, {"mask": np.array([False])}, {"options": {"trace_offset_s": 3}}):
            with pytest.raises(ValueError, match=r"seed|mask|options"):
                rack.reset(**bad)
        wrong = Decision.keep(rack.cluster)
        wrong.batch[0, 0] = 10_000
        rack.reset(0)
        with pytest.raises(ValueError, match="batch"):
            rack.step(wrong)


@pytest.mark.parametrize(
    "text", ["cut", "cut:cam-1", "cut:cam-1@3", "bang:cam-1@3+1", "cut:cam-9@3+1", "cut:cam-1@-3+1"]
)
def test_a_fault_is_read_or_refused(text):
    assert Fault.parse("cut:cam-1@3+1.5", ["cam-1"]) == Fault("cut", "cam-1", 3, 1.5)
    with pytest.raises(FaultError, match="expected"):
        Fault.parse(text, ["cam-1"])
