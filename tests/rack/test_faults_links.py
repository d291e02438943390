"""A simulated rack whose links are slow, silent or reset, under CURVE."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import BridgeBackend
from octogym.bridge.keys import Fixed, new_pair
from octogym.cluster.registry import load_scenario
from octogym.rack.faults import Fault
from octogym.rack.proxy import Proxy
from octogym.rack.up import NodesThread, local_roster, simulated_rack
from tests.rack.watch import Watch

#: In real time, over real sockets: a starved machine fails them.
pytestmark = pytest.mark.slow

#: A busy machine may hold a step up by so much beyond its bound.
SLACK_S = 1.5


@contextmanager
def proxied():
    """A rack of half-second windows and the proxy on the way of cam-1."""
    scenario = load_scenario("traffic-2")
    host, pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
    roster = local_roster(scenario, speed=2)
    backend = BridgeBackend(roster, host, Fixed({pair.public: name for name, pair in pairs.items()}), join_s=30)
    try:
        with Proxy(backend.address) as proxy:
            via = {"cam-1": proxy.address}
            with NodesThread(scenario, backend.address, host.public, pairs, roster.period_ns, (), via):
                backend.reset(0)
                yield backend, proxy
                backend.close()
    finally:
        backend.close()


class Cam1(Watch):
    """Facts of cam-1, on whose link something is wrong; the others must hardly notice, and no step be late."""

    def step(self, decision=None):
        begin = time.monotonic()
        facts = super().step(decision)
        assert time.monotonic() - begin < self.rack.roster.period_ns * 1.25e-9 + SLACK_S
        assert facts["cam-2"].fault in ("", "STALE") and facts["server"].fault in ("", "STALE")
        return facts

    def until(self, done, windows=20):
        for _ in range(windows):
            facts = self.step()["cam-1"]
            if done(facts):
                return facts
        raise AssertionError(f"not within {windows} windows: {facts}")


def test_a_link_that_swallows_everything_is_noticed_without_an_end_of_the_connection():
    with proxied() as (rack, proxy):
        watch = Cam1(rack)
        watch.until(lambda facts: facts.fresh)
        proxy.blackhole = True
        watch.until(lambda facts: facts.fault == "LINK_DOWN", windows=4)
        watch.step()
        proxy.blackhole = False
        watch.until(lambda facts: facts.fresh)
        assert proxy.connections >= 2


def test_a_report_that_comes_late_is_counted_later_and_never_taken_for_another_window():
    with proxied() as (rack, proxy):
        watch = Cam1(rack)
        watch.until(lambda facts: facts.fresh)
        proxy.delay_s = 0.16  # beyond the grace; there and back within the heartbeat
        watch.until(lambda facts: facts.late and not facts.fresh)
        proxy.delay_s = 0.0
        watch.until(lambda facts: facts.fresh)


def test_connections_that_are_reset_again_and_again_lose_nothing():
    with proxied() as (rack, proxy):
        watch = Cam1(rack)
        watch.until(lambda facts: facts.fresh)
        for _ in range(3):
            proxy.reset()
            watch.step()
        watch.until(lambda facts: facts.fresh)
        assert proxy.connections >= 3


def test_a_node_that_is_upgraded_leaves_and_comes_back_without_alarm():
    with simulated_rack(load_scenario("traffic-2"), speed=2, faults=[Fault("upgrade", "cam-1", 1.2, 2)]) as rack:
        rack.reset(0)
        watch = Cam1(rack)
        left = watch.until(lambda facts: facts.fault == "BYE")
        assert not left.present and left.text == "ends on purpose"
        watch.until(lambda facts: facts.fresh)
        assert set(rack.tally.faults) <= {"STALE"}


@pytest.mark.parametrize("rate_bps", [400_000, 20_000])
def test_a_slow_link_slows_nobody_else(rate_bps):
    with proxied() as (rack, proxy):
        watch = Cam1(rack)
        watch.until(lambda facts: facts.fresh)
        proxy.rate_bps = rate_bps
        seen = [watch.step()["cam-1"].fresh for _ in range(10)]
        assert any(seen) == (rate_bps > 100_000)
        proxy.rate_bps = 0
        watch.until(lambda facts: facts.fresh)
