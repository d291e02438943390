"""benchmarks/bridge/overhead.py: its arithmetic and its words. Nothing here depends on how fast this machine is."""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from benchmarks._bridge.awake import cores_awake
from benchmarks._bridge.bare import BareExchange
from benchmarks._bridge.racks import Stepped, step_rack
from benchmarks.bridge import overhead

MS = 1_000_000
P = 250 * MS


def stepped(nodes=16, late=2 * MS, bare=2 * MS, faults=None):
    """A hundred steps, all alike."""
    found = Stepped(nodes, P, act_bytes=190, obs_bytes=2000, faults=faults or {})
    found.overhead, found.exchange = [late] * 100, [bare] * 100
    found.cpu, found.exchange_cpu = [3 * MS] * 100, [MS] * 100
    found.returned = [k * P + late for k in range(100)]
    return found


def row(peer=1.0, steady=1.0, **changes):
    periods = {"steady_period_error_ms_p99": steady, "rtgym_period_error_ms_p99": peer}
    return {**overhead._row(stepped(**changes)), **periods}


def test_a_row_is_in_milliseconds_and_ratios():
    found = row(late=3 * MS, bare=2 * MS)
    assert (found["overhead_ms_p50"], found["overhead_ms_p99"], found["bare_ms_p99"]) == (3, 3, 2)
    assert found["ratio_p50"] == found["ratio_p99"] == 1.5
    assert (found["period_ms"], found["period_error_ms_p99"], found["host_cpu_ms_p50"]) == (250, 0, 3)
    assert overhead._misses(found) == []


def test_the_error_of_the_period_is_from_return_to_return():
    late = stepped()
    late.returned[50] += 10 * MS  # one step late: two periods are wrong
    errors = overhead._row(late)
    assert 0 < errors["period_error_ms_p99"] <= 10
    even = stepped()
    even.returned = [k * P + 100 * MS for k in range(100)]  # always late is no error of the period
    assert overhead._row(even)["period_error_ms_p99"] == 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"late": 7 * MS, "bare": 7 * MS}, "overhead p99 7.0 ms, allowed 6"),
        ({"late": 5 * MS, "bare": 2 * MS}, "2.5 x a bare exchange, allowed 2"),
        ({"faults": {"LINK_DOWN": 1, "STALE": 2}}, "false LINK_DOWN"),
    ],
)
def test_what_falls_short_is_named(changes, word):
    misses = overhead._misses(row(**changes))
    assert len(misses) == 1 and misses[0] == f"16 nodes: {word}"


def test_a_steady_racks_period_is_held_against_rtgyms_where_there_is_one():
    assert overhead._misses(row(peer=None, steady=3.0)) == []
    assert overhead._misses(row(peer=2.0, steady=3.0)) == []
    assert overhead._misses(row(peer=1.0, steady=3.0)) == [
        "16 nodes: period error p99 3.00 ms, allowed 1.5 x rtgym's 1.00"
    ]


def test_the_page_tells_every_figure_and_what_falls_short():
    about = {"quick": True, "cpu": "some CPU", "cores": 2, "python": "3", "pyzmq": "27", "cores_awake": True}
    about.update(load_average_before=[0.5, 0, 0], load_average_after=[1.5, 0, 0])
    memory = {"bytes_per_step": 12.0, "steps": 100}
    text = overhead.page([row(), row(nodes=1, peer=None)], memory, ["16 nodes: too slow"], about)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 3
    assert "| 16 | 250 | 2.00 | 2.00 | 2.00 (6) |" in text and "Falls short: 16 nodes: too slow." in text
    assert "quick: no evidence" in text and "12 bytes a step (100)" in text and "0.5 before, 1.5 after" in text
    assert "kept from falling asleep" in text
    other = overhead.page([], None, [], {**about, "cores_awake": False})
    assert "Falls short: nothing." in other and "left as they are" in other


def test_cores_are_kept_awake_by_processes_that_yield_to_everybody():
    with cores_awake():
        spinning = multiprocessing.active_children()
        assert len(spinning) == len(os.sched_getaffinity(0))
        end = time.monotonic() + 30
        while not all(os.sched_getscheduler(process.pid) == os.SCHED_IDLE for process in spinning):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("text", ["2", "", "1,2"])
def test_only_racks_with_a_budget_are_measured(text, capsys):
    with pytest.raises(SystemExit):
        overhead._options(["--nodes", text])
    assert "allowed: 1, 16, 100" in capsys.readouterr().err


def test_a_steady_rack_is_stepped_alone():
    found = step_rack(1, 50.0, 6, bare=False, steady=True)
    assert not found.exchange and len(found.returned) == 6
    assert min(found.overhead) >= 12.5 * MS  # its grace


def test_a_rack_is_stepped_beside_a_bare_exchange():
    found = step_rack(1, 50.0, 6)
    assert len(found.overhead) == len(found.exchange) == len(found.returned) == len(found.cpu) == 6
    assert found.stolen_percent is None or 0 <= found.stolen_percent <= 100
    assert found.act_bytes > 100 and found.obs_bytes > 500 and found.period_ns == 50 * MS
    assert all(late > 0 for late in found.overhead)


def test_a_bare_exchange_waits_for_all_answers():
    with BareExchange(3, [10, 20], [5, 700]) as exchange:
        assert exchange.exchange() > 0 and len(exchange._routes) == 3


def test_main_writes_what_it_printed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(overhead, "step_rack", lambda nodes, period_ms, steps, **how: stepped(nodes))
    monkeypatch.setattr(overhead, "rtgym_periods", lambda period_s, steps: [period_s + 0.001] * steps)
    files = tmp_path / "a.json", tmp_path / "a.md"
    assert overhead.main(["--nodes", "16", "--json", str(files[0]), "--markdown", str(files[1])]) == 0
    found = json.loads(files[0].read_text())
    assert found["misses"] == [] and found["rows"][0]["rtgym_period_error_ms_p99"] == pytest.approx(1.0)
    assert capsys.readouterr().out.splitlines()[-1] == "pass"
    assert files[1].read_text().startswith("# The bridge")
    monkeypatch.setattr(overhead, "step_rack", lambda nodes, period_ms, steps, **how: stepped(nodes, late=20 * MS))
    assert overhead.main(["--nodes", "16", "--as-is"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("falls short: 16 nodes: overhead p99 20.0 ms")
