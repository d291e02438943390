"""Random histories of a rack in trouble: every promise of the protocol, after every event.

A seed that fails is a whole history: `history(seed)` runs it again, to the nanosecond.
"""

import gc
import resource
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.bridge.protocol import host, inbox, ledger, validity, windows
from octogym.bridge.protocol.histograms import HistogramSender
from octogym.bridge.virtual import KINDS, SECOND, Fault
from tests.bridge.protocol.histories import MS, Violation, history, quiet_rack


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_by_itself(kind):
    for seed in range(2):
        _, truth, _ = history(seed, (kind,), faults=3)
        assert truth.counts["collected"] > 15 and truth.counts["applied"] > 5


@pytest.mark.parametrize("block", range(4))
def test_faults_together(block):
    for seed in range(15):
        history(1000 * block + seed)


#: Moments around which something happens: the tick, a decision's way, the grace, the pings, the middle of a window.
MOMENTS = [tick + near for tick in (0, 1, 2, 20, 60, 125, 250, 500, 875, 999, 1000) for near in (-1, 0, 1)]


@given(
    kind=st.sampled_from(["restart", "reboot"]),
    offset_ns=st.one_of(st.integers(-2 * MS, SECOND), st.sampled_from(MOMENTS).map(lambda ms: ms * MS)),
    down_ns=st.one_of(st.integers(1, 3 * SECOND), st.sampled_from([1, MS, 50 * MS, SECOND - 1, SECOND, SECOND + 1])),
    seed=st.integers(0, 1000),
    beside=st.sampled_from([(), ("loss",), ("delay",), ("host_stuck",)]),
)
def restart_within_a_step(kind, offset_ns, down_ns, seed, beside):
    """`offset_ns` counts from the end of a window on the host's grid, in true time."""

    def restart(rack):
        host = rack.host
        tick_ns = rack.host_clock.when(host.tick_ns(host.window(rack.host_now_ns)))
        begin_ns = max(rack.now_ns, tick_ns + offset_ns)
        return [Fault(kind, "d0", begin_ns, begin_ns + down_ns, 0.0)]

    rack, truth, _ = history(seed, beside, devices=2, faults=2 if beside else 0, calm_s=7, trouble_s=5, more=restart)
    assert rack.nodes["d0"].boots == 2 and rack.nodes["d1"].boots == 1
    assert truth.counts["fault:RESTARTED"] >= 1


def test_a_restart_at_any_moment_of_a_step():
    settings(max_examples=25, deadline=None)(restart_within_a_step)()


@pytest.mark.slow
def test_restarts_at_a_thousand_moments_of_a_step():
    settings(max_examples=1000, deadline=None)(restart_within_a_step)()


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_thousands_of_histories(block):
    for seed in range(10_000 + 300 * block, 10_300 + 300 * block):
        history(seed, faults=4 + seed % 9, devices=1 + seed % 4)


@pytest.mark.slow
def test_a_hundred_devices():
    for seed in range(3):
        history(seed, devices=100, faults=60)


def test_one_seed_is_one_history():
    counts = [history(5)[1].counts for _ in range(2)]
    assert counts[0] == counts[1]


# --- would a mistake be seen? ----------------------------------------------------------------------------------------


def _applies_again(patch):
    """A node that forgets which decision it has applied."""
    act = windows.Windows.act

    def forgetful(self, message, payload):
        self._act_seq = 0
        act(self, message, payload)

    patch.setattr(windows.Windows, "act", forgetful)


def _forgets_the_dead(patch):
    """A host that lets a restarted device count from zero."""
    patch.setattr(ledger.Ledger, "died", lambda self: None)


def _sends_bins_once(patch):
    """A node that takes for granted that an observation arrives."""
    pack = HistogramSender.pack
    patch.setattr(HistogramSender, "pack", lambda self, bins, seq, seen: pack(self, bins, seq, seq - 1))


def _never_expires(patch):
    """A node whose decisions hold for ever."""
    patch.setattr(validity.Validity, "state", lambda self, rows, begins: None)
    patch.setattr(validity.Validity, "begin", lambda self, before: None)


def _ignores_clocks(patch):
    """A host that does not look where a device's windows are."""
    patch.setattr(inbox.Inbox, "_again", lambda self, *_: None)


def _never_sends_again(patch):
    """A host that sends each command once."""
    advance = host.Handshake.advance
    patch.setattr(
        host.Handshake, "advance", lambda self, r, now: 2**62 if r.command is not None else advance(self, r, now)
    )


@pytest.mark.parametrize(
    ("mistake", "kinds"),
    [
        (_applies_again, ("duplicate",)),
        (_forgets_the_dead, ("restart",)),
        (_sends_bins_once, ("loss",)),
        (_never_expires, ("partition",)),
        (_ignores_clocks, ("clock_step",)),
        (_never_sends_again, ("loss", "restart")),
    ],
)
def test_mistakes_are_seen(mistake, kinds, monkeypatch):
    mistake(monkeypatch)
    with pytest.raises((Violation, AssertionError)):
        for seed in range(25):
            history(seed, kinds, faults=6)


# --- for a long time -------------------------------------------------------------------------------------------------


def _growth(seconds: int) -> "tuple[int, int]":
    """Blocks of memory and tracked objects by which a rack grows in the second half of `seconds` windows."""
    rack = quiet_rack(period_s=1, keep=50)
    found = []
    for until in (100 + seconds // 2, 100 + seconds):
        rack.run(until * 10**9)
        gc.collect()
        found.append((sys.getallocatedblocks(), len(gc.get_objects())))
    return found[1][0] - found[0][0], found[1][1] - found[0][1]


def test_memory_does_not_grow():
    blocks, objects = _growth(200)
    assert blocks < 1000 and objects < 300


@pytest.mark.slow
def test_memory_does_not_grow_over_100_000_steps():
    # Of the most that this process has ever had, as other tests have run in it.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blocks, objects = _growth(100_000)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert blocks < 1000 and objects < 300 and more < 50_000  # kB
