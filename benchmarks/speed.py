"""How fast it is, as ratios to peers that run in the same minutes: the table of issue 2.

    python benchmarks/speed.py [--quick] [--rows NAME,...] [--json FILE] [--markdown FILE]

Every row is measured in a process of its own, on one core unless its name says more. Two things are compared in many
short slices that take turns. A row whose peer is not installed says so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

# The checkout: for the reference simulator of the tests, and for the package where it is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._speed.lines import ALL_CORES, LINES, ROWS
from benchmarks._speed.result import Outcome, measure
from benchmarks._speed.timing import FULL, QUICK, Budget, one_core


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write. Returns 1 if a line failed; a line that is short is no failure."""
    options = _options(arguments)
    budget = QUICK if options.quick else FULL
    began = datetime.now(timezone.utc)
    outcomes: list[Outcome] = []
    layers = None
    for row in options.rows:
        start = time.perf_counter()
        if row == "layers":
            layers = _in_its_own_process(_measure_layers, budget)
        else:
            outcomes += _measured(row, budget)
        print(f"{row}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)

    from benchmarks._speed import report

    found = report.Report(outcomes, layers, report.provenance(budget, options.rows, began))
    if options.json:
        report.write(options.json, found.json())
    if options.markdown:
        report.write(options.markdown, found.markdown())
    print(found.text())
    return int(any(outcome.verdict == "failed" for outcome in outcomes))


def measure_row(row: str, budget: Budget) -> list[Outcome]:
    """All lines of a row, one after the other, in this process."""
    with warnings.catch_warnings(), nullcontext() if row in ALL_CORES else one_core():
        warnings.simplefilter("ignore")  # the peers' own
        return [measure(line, budget) for line in LINES if line.row == row]


def _measure_layers(budget: Budget) -> Any:
    from benchmarks._speed.layers import measure_layers

    with warnings.catch_warnings(), one_core():
        warnings.simplefilter("ignore")
        return measure_layers(budget)


def _measured(row: str, budget: Budget) -> list[Outcome]:
    try:
        return _in_its_own_process(measure_row, row, budget)
    except BrokenProcessPool:
        reason = "its process ended before it was done (out of memory?)"
        return [Outcome(line, "failed", reason=reason) for line in LINES if line.row == row]


def _in_its_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    # A new interpreter: threads, compiled code and memory of one row do not reach the next.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of ten; wider spreads")
    parser.add_argument("--rows", type=_rows, default=list(ROWS), metavar="NAME,...", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything with its provenance")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    return parser.parse_args(arguments)


def _rows(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",")]
    unknown = [name for name in wanted if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}; allowed: {', '.join(ROWS)}")
    return [row for row in ROWS if row in wanted]


if __name__ == "__main__":
    raise SystemExit(main())
