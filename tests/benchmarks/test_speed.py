"""benchmarks/speed.py: what it measures, prints and writes. Nothing here depends on how fast this machine is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from itertools import count, pairwise
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("pettingzoo")

from benchmarks import speed
from benchmarks._speed import environments, paths, report
from benchmarks._speed.layers import LAYERS, layers_of
from benchmarks._speed.lines import LINES, ROWS
from benchmarks._speed.result import Figure, Goal, Line, Measured, Outcome, Skip, measure, need, number
from benchmarks._speed.timing import Budget, Side, compare, cores, one_core, stopwatch

ROOT = Path(__file__).resolve().parents[2]
TINY = Budget(0.001, 1, 2, True)


def line(name: str) -> Line:
    return next(line for line in LINES if line.measure == name)


def some_report(*outcomes: Outcome) -> report.Report:
    return report.Report(outcomes, None, report.provenance(TINY, ["bare-replay"], datetime.now(timezone.utc)))


# --- timing ----------------------------------------------------------------------------------------------------------


def test_sides_go_through_their_inputs_again_and_restart_untimed():
    seen: list[int | str] = []
    side = Side(seen.append, [1, 2, 3], restart=lambda: seen.append("restart"))
    assert side.slice(2).units == 2
    assert side.slice(3).units == 3
    assert seen == ["restart", 1, 2, 3, "restart", 1, 2]


def test_units_may_be_counted():
    done = [0]
    side = Side(lambda n: done.__setitem__(0, done[0] + n), [2, 3], units=lambda: done[0])
    assert [side.slice(1).units, side.slice(1).units] == [2, 3]


def test_excluded_time_is_taken_off():
    clock = count(step=10_000_000)  # every look at the clock finds 10 ms more
    slept = Side(lambda _: None, [0], excluded=lambda: next(clock)).slice(1)
    assert slept.seconds == pytest.approx(slept.wall - 0.01)


def test_stopwatch_times_a_method_and_leaves_its_result():
    class Thing:
        def double(self, x: int) -> int:
            return 2 * x

    thing = Thing()
    spent = stopwatch((thing, "double"))
    assert spent() == 0
    assert thing.double(4) == 8
    assert spent() > 0


def test_comparison_takes_turns_and_gives_a_ratio_per_repeat():
    order: list[str] = []
    sides = [Side(lambda _, name=name: order.append(name), [0]) for name in "ab"]
    found = compare(*sides, Budget(1e-5, 3, 2, True))
    assert len(found.ratios) == 2
    assert min(found.ratios) > 0
    changes = sum(x != y for x, y in pairwise(order))
    assert changes >= 6
    assert 0 < found.core_share <= 1


def test_different_work_is_an_error():
    with pytest.raises(RuntimeError, match="different work"):
        compare(Side(lambda _: None, [0], 1), Side(lambda _: None, [0], 2), TINY, same_work=True)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes to cores")
def test_one_core_is_given_back():
    before = cores()
    with one_core():
        assert cores() == 1
    assert cores() == before


# --- lines -----------------------------------------------------------------------------------------------------------


def test_every_line_of_the_table_can_be_found():
    assert len(LINES) == 17
    assert list(dict.fromkeys(each.row for each in LINES)) == list(ROWS[:-1])
    for each in LINES:
        module, _, function = each.measure.partition(":")
        assert f"def {function}(" in (ROOT / "benchmarks" / "_speed" / f"{module}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["simulator:bare_replay", "simulator:traffic_2", "environments:parallel"])
def test_a_line_is_measured(name: str):
    outcome = measure(line(name), TINY)
    assert outcome.verdict in ("stretch", "pass", "short")
    assert outcome.measured is not None
    assert outcome.measured.value > 0
    assert len(outcome.measured.samples) == TINY.repeats
    assert all(figure.value > 0 for figure in outcome.measured.figures)


def test_the_kernel_called_directly_does_what_the_environment_does():
    found = environments._against_kernel(
        lambda: paths.parallel(5), TINY
    )  # raises if a slice let different numbers of requests go
    assert found.value > 0


def test_layers_are_parts_of_a_step():
    found = layers_of(paths.parallel(5), 0.01)
    assert len(found) == len(LAYERS)
    assert min(found) >= 0


def test_a_missing_peer_is_skipped_with_a_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mpe2", None)
    monkeypatch.setitem(sys.modules, "mpe2.simple_spread_v3", None)
    outcome = measure(line("environments:mpe2"), TINY)
    assert outcome.verdict == "skipped"
    assert "mpe2 is not installed" in outcome.reason
    assert "1 skipped" in some_report(outcome).summary()


def test_what_a_peer_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "peer_of_ours.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Skip, match="a_module_that_is_not_there, which peer needs, is not installed"):
        need("peer_of_ours", "peer", "bench")


def test_a_line_that_breaks_has_failed_and_the_rest_goes_on(capsys: pytest.CaptureFixture[str]):
    outcome = measure(Line("x", "x", Goal(1), "simulator:nothing_of_that_name"), TINY)
    assert outcome.verdict == "failed"
    assert "nothing_of_that_name" in outcome.reason
    assert "nothing_of_that_name" in capsys.readouterr().err


# --- goals and report ------------------------------------------------------------------------------------------------


def test_goals():
    assert Goal(2).meets(2.0, 2)
    assert not Goal(2).meets(1.9, 2)
    assert Goal(2, at_most=True).meets(1.9, 2)
    assert Goal(1, decimals=2).meets(0.996, 1)
    assert not Goal(1, decimals=2).meets(0.994, 1)
    assert (Goal(15, 60).says(15), Goal(1, None, " s", True).says(1), Goal(1).says(None)) == ("≥ 15x", "≤ 1 s", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012345, "0.0123"), (1.5, "1.50"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346"), (3, "3")],
)
def test_numbers(value: float, text: str):
    assert number(value) == text


def test_report_in_all_forms():
    good = Outcome(
        Line("r", "a / b", Goal(2, 4), ""), "stretch", Measured.median([4, 5, 6], [Figure("a", 12.5, "M requests/s")])
    )
    skipped = Outcome(Line("r", "c / d", Goal(2), ""), "skipped", reason="c is not installed")
    found = some_report(good, skipped)
    text = found.text()
    for part in ("a / b", "5x", "4..6", "≥ 2x", "≥ 4x", "stretch", "a 12.5 M requests/s", "c is not installed"):
        assert part in text, part
        assert part in found.markdown(), part
    assert text.splitlines()[-1] == '1 of 1 measured lines meet "at least"; 1 of 1 meet "stretch"; 1 skipped'
    told = json.loads(found.json())
    assert [row["verdict"] for row in told["rows"]] == ["stretch", "skipped"]
    assert told["rows"][0]["samples"] == [4, 5, 6]
    assert told["rows"][1]["reason"] == "c is not installed"
    assert {"git_commit", "versions", "cpu", "cores", "began", "numba_threads", "traces"} <= set(told["provenance"])


def test_unknown_rows_are_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        speed.main(["--rows", "bare-replay,speed"])
    error = capsys.readouterr().err
    assert "'speed'" in error
    assert "event-list" in error


def test_the_command(tmp_path: Path):
    files = [tmp_path / "results" / name for name in ("speed.json", "speed.md")]
    command = [sys.executable, str(ROOT / "benchmarks" / "speed.py"), "--quick", "--rows", "bare-replay"]
    done = subprocess.run(
        [*command, "--json", str(files[0]), "--markdown", str(files[1])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "full semantics on fcpo-testbed / bare replay" in done.stdout
    assert done.stdout.splitlines()[-1].endswith('0 of 1 meet "stretch"') or "1 of 1" in done.stdout.splitlines()[-1]
    (row,) = json.loads(files[0].read_text(encoding="utf-8"))["rows"]
    assert row["row"] == "bare-replay"
    assert row["value"] > 0
    assert "full semantics" in files[1].read_text(encoding="utf-8")
