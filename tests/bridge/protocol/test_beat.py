"""When the host pings whom."""

import pytest

from octogym.bridge.protocol.beat import Beat
from octogym.bridge.protocol.clock import MS, WindowGrid

P = 800 * MS
GRID = WindowGrid(5_000, P)


def run(beat, until, records, told):
    """Call at every deadline, as an owner does; returns when all were pinged, and when each. `told`: of any window."""
    everybody, each, now = [], [], GRID.origin_ns
    for _ in range(10_000):
        if now > until:
            return everybody, each
        if beat.everybody(now, lambda window: told):
            everybody.append(now)
        each += [(now, record) for record in beat.some(now, records)]
        assert beat.next_ns > now, "an owner would turn for ever"
        now = beat.next_ns
    raise AssertionError("too many turns")


@pytest.mark.parametrize("count", [1, 3, 100])
def test_all_once_after_each_tick_and_one_by_one_in_the_third_quarter(count):
    records = [f"d{k}" for k in range(count)]
    everybody, each = run(Beat(GRID), GRID.end(3) - 1, records, told=False)
    assert everybody == [GRID.start(k) + P // 8 for k in range(4)]
    assert [record for _, record in each] == records * 4
    assert all(P // 2 <= (now - GRID.origin_ns) % P < 3 * P // 4 for now, _ in each)
    times = [now for now, _ in each]
    assert len(set(times)) == len(times)


def test_all_as_soon_as_they_have_told():
    beat = Beat(GRID)
    now = GRID.start(4) + 3 * MS
    assert not beat.everybody(now, lambda window: False)
    assert beat.everybody(now + MS, lambda window: window == 3)
    assert not beat.everybody(now + 2 * MS, lambda window: True)


def test_an_owner_that_slept_asks_everybody_once():
    beat = Beat(GRID)
    run(beat, GRID.end(0), ["a", "b"], told=True)
    late = GRID.start(9) + 7 * P // 8
    assert beat.everybody(late, lambda window: False) and not beat.everybody(late, lambda window: False)
    assert beat.some(late, ["a", "b"]) == ["a", "b"] and beat.some(late, ["a", "b"]) == []
    assert beat.next_ns == GRID.end(9) + P // 8
