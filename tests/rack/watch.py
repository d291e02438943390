"""Steps a rack whose devices fail, and checks what must hold in every window whatever becomes of them."""

from __future__ import annotations

import time
from dataclasses import fields

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.telemetry import Telemetry
from octogym.rack.up import simulated_rack

#: How long a fact is waited for; a busy machine takes its time.
PATIENCE_S = 60.0


class Watch:
    """Counters add up in every window, and rows are valid where their device was heard. `faults`: those seen of each
    device."""

    def __init__(self, rack):
        self.rack, self.arrived = rack, np.zeros(rack.cluster.S, np.int64)
        self.devices = [device.id for device in rack.cluster.devices]
        self.faults = {device: set() for device in self.devices}

    def step(self, decision=None):
        """Facts of all devices after one window."""
        t = self.rack.step(Decision.keep(self.rack.cluster) if decision is None else decision)
        self.arrived += t.arrived[0]
        np.testing.assert_array_equal(self.arrived, t.total_arrived[0])
        fates = t.total_on_time_results + t.total_late + t.total_dropped + t.total_missed + t.total_lost_results
        np.testing.assert_array_equal(t.total_generated, fates + t.in_flight)
        assert (t.total_arrived >= t.total_completed).all()
        for s, instance in enumerate(self.rack.cluster.instances):
            facts = self.rack.facts[self.devices[instance.device]]
            assert bool(t.valid[0, s]) == facts.fresh
        for device, facts in self.rack.facts.items():
            self.faults[device].add(facts.fault)
        return self.rack.facts

    def until(self, done, what):
        """Step until `done` holds of the facts."""
        end = time.monotonic() + PATIENCE_S
        while True:
            facts = self.step()
            if done(facts):
                return facts
            seen = {device: (f.fault, f.missed) for device, f in facts.items()}
            assert time.monotonic() < end, f"{what}: not within {PATIENCE_S} s; {seen}"

    def all_heard(self):
        return self.until(lambda facts: all(f.fresh for f in facts.values()), "all devices heard")


def undisturbed(scenario, speed, play, **settings):
    """What `play` makes of a simulated rack on which nothing was late: a report that comes late on a busy machine is
    another observation, and the rack is tried again."""
    for _ in range(5):
        with simulated_rack(scenario, speed, join_s=PATIENCE_S, **settings) as rack:
            found = play(rack)
            if not rack.tally.late_steps and not rack.tally.faults:
                return found
    raise AssertionError(f"never undisturbed: {rack.tally}")


def assert_same_windows(found, wanted):
    """The same decisions and the same telemetry, bit for bit, in every window; both as lists of (decision, telemetry)
    copies."""
    for k, ((ours, seen), (theirs, simulated)) in enumerate(zip(found, wanted, strict=True)):
        for name in Decision.FIELDS:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=f"{name}, window {k}")
        for field in fields(Telemetry):
            here, there = getattr(seen, field.name), getattr(simulated, field.name)
            np.testing.assert_array_equal(here, there, err_msg=f"{field.name}, window {k}")


def boots(rack):
    """The boot of each device's process that the host knows."""
    with rack._session.machine_now(wake=False) as (machine, now):
        found = machine.status(now)
    return {device: status.hello.boot for device, status in found.items() if status.hello is not None}
