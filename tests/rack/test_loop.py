"""The loop that serves all nodes of a simulated rack."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.protocol.windows import Windows
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.rack.nodes import SimulatedNodes
from octogym.rack.up import simulated_rack


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


def counted(monkeypatch, cls, name):
    calls, method = [], getattr(cls, name)

    def call(*args):
        calls.append(args)
        return method(*args)

    monkeypatch.setattr(cls, name, call)
    return calls


def test_it_sleeps_where_nobody_has_anything(scenario, monkeypatch):
    turns = counted(monkeypatch, SimulatedNodes, "turn")
    with simulated_rack(scenario, speed=2) as rack:
        rack.reset(0)
        keep = Decision.keep(rack.cluster)
        rack.step(keep)
        before = len(turns)
        for _ in range(4):
            rack.step(keep)
        # Three nodes: an act, two pings, a tick, a report to prepare; and a look-up every 50 ms.
        assert len(turns) - before < 4 * 100


def test_reports_are_packed_before_the_tick(scenario, monkeypatch):
    packed = []
    observe = Windows._observe

    def watch(windows, now, window, ended):
        packed.append(windows._ready is not None and windows._ready.window == window)
        observe(windows, now, window, ended)

    monkeypatch.setattr(Windows, "_observe", watch)
    with simulated_rack(scenario, speed=2) as rack:
        rack.reset(0)
        keep = Decision.keep(rack.cluster)
        for _ in range(8):
            rack.step(keep)
    # All but the first of each node, in so far as this machine lets the nodes run.
    assert packed.count(True) >= 3
