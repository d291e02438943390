"""The table: as text, as Markdown, as JSON, and where it was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks._speed.layers import LAYERS, Layers
from benchmarks._speed.result import Measured, Outcome, number
from benchmarks._speed.timing import FINER, Budget, cores
from octogym.cli.provenance import cpu_model, git_commit
from octogym.cluster.registry import load_scenario

PACKAGES = (
    *("numpy", "numba", "llvmlite", "gymnasium", "pettingzoo"),
    *("torch", "tensordict", "torchrl", "stable-baselines3", "supersuit", "mpe2"),
)
HEAD = ("row", "measured", "spread", "at least", "stretch", "verdict")
WIDTH = 118


def provenance(budget: Budget, rows: Sequence[str], began: datetime) -> dict[str, Any]:
    """Where, when and with what; plain values."""
    import numba

    import octogym

    scenarios = {name: load_scenario(name) for name in ("traffic-2", "fcpo-testbed", "scale-16")}
    return {
        "octogym": octogym.__version__,
        "git_commit": git_commit(),
        "began": began.isoformat(timespec="seconds"),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "budget": asdict(budget),
        "rows": list(rows),
        "cpu": cpu_model(),
        "cores": cores(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES},
        "numba_threads": numba.config.NUMBA_NUM_THREADS,
        "numba_threading_layer": numba.config.THREADING_LAYER,
        "environment": {
            name: os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name in os.environ
        },
        "traces": {name: "synthetic" if scenario.synthetic_traces else "real" for name, scenario in scenarios.items()},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class Report:
    """Everything that one run found."""

    outcomes: Sequence[Outcome]
    layers: Sequence[Layers] | None
    provenance: dict[str, Any]

    def text(self) -> str:
        rows = [_cells(outcome) for outcome in self.outcomes]
        widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
        lines = [_line(HEAD, widths), "-" * min(WIDTH, sum(widths) + 2 * len(widths) - 2)] if rows else []
        for outcome, row in zip(self.outcomes, rows, strict=True):
            lines.append(_line(row, widths))
            lines += textwrap.wrap(_figures(outcome), WIDTH, initial_indent="    ", subsequent_indent="    ")
        lines += ["", *self._notes()] if rows else []
        if self.layers is not None:
            cells = _layer_cells(self.layers)
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            lines += ["", "where the time goes, microseconds per step (timers cost about 1 of them)"]
            lines += [_line(row, widths) for row in cells]
        return "\n".join([*lines, "", self.summary()])

    def markdown(self) -> str:
        head = (*HEAD, "figures")
        lines = ["# Speed", "", self.summary(), "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join((*_cells(outcome), _figures(outcome))) + " |" for outcome in self.outcomes]
        lines += ["", *self._notes()]
        if self.layers is not None:
            first, *rest = _layer_cells(self.layers)
            lines += ["", "## Where the time goes", "", "Microseconds per step; the timers cost about 1 of them.", ""]
            lines += ["| " + " | ".join(first) + " |", "|" + "---|" * len(first)]
            lines += ["| " + " | ".join(row) + " |" for row in rest]
        facts = [f"{name}: {value}" for name, value in _flat(self.provenance) if value not in ("", [], {})]
        return "\n".join([*lines, "", "## Measured on", "", *(f"- {fact}" for fact in facts), ""])

    def json(self) -> str:
        rows = []
        for outcome in self.outcomes:
            line, goal, measured = outcome.line, outcome.line.goal, outcome.measured
            row: dict[str, Any] = {"row": line.row, "name": line.name, "unit": goal.unit.strip()}
            row |= {"verdict": outcome.verdict, "at_least": goal.bound, "stretch": goal.stretch}
            row["smaller_is_better"] = goal.at_most
            rows.append(row | (asdict(measured) if measured else {"reason": outcome.reason}))
        layers = None if self.layers is None else {"names": LAYERS, "paths": [asdict(x) for x in self.layers]}
        found = {"summary": self.summary(), "rows": rows, "layers": layers, "provenance": self.provenance}
        return json.dumps(found, indent=1) + "\n"

    def summary(self) -> str:
        """How many lines meet what."""
        met = [outcome for outcome in self.outcomes if outcome.measured]
        stretches = [outcome for outcome in met if outcome.line.goal.stretch is not None]
        good = sum(outcome.verdict in ("pass", "stretch") for outcome in met)
        far = sum(outcome.verdict == "stretch" for outcome in stretches)
        text = f'{good} of {len(met)} measured lines meet "at least"; {far} of {len(stretches)} meet "stretch"'
        for verdict in ("skipped", "failed"):
            count = sum(outcome.verdict == verdict for outcome in self.outcomes)
            text += f"; {count} {verdict}" if count else ""
        return text

    def _notes(self) -> list[str]:
        shares = [o.measured.core_share for o in self.outcomes if o.measured and o.measured.core_share is not None]
        budget = self.provenance["budget"]
        notes = [
            f"Median over all pairs of slices of {1000 * budget['slice_s']:g} ms; spread: lowest and highest median of "
            f"{budget['repeats']} repeats of {budget['pairs']} pairs (PPO: updates; start: runs). Against our "
            f"kernel and for threads, both sides are made anew for each repeat, and slices are {FINER} times shorter "
            "and more."
        ]
        if shares:
            notes.append(
                f"The measuring thread had its core for {statistics.median(shares):.0%} of the time (least: "
                f"{min(shares):.0%}); well below 100 % the machine was busy and the spread is its."
            )
        facts, traces = self.provenance, set(self.provenance["traces"].values())
        return [
            *notes,
            f"{facts['cpu']}, {facts['cores']} cores, {facts['ended']}; traces: {' and '.join(sorted(traces))}.",
        ]


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _cells(outcome: Outcome) -> tuple[str, ...]:
    goal, measured = outcome.line.goal, outcome.measured
    value, spread = ("", "") if measured is None else _values(measured, goal.unit)
    return (outcome.line.name, value, spread, goal.says(goal.bound), goal.says(goal.stretch), outcome.verdict)


def _values(measured: Measured, unit: str) -> tuple[str, str]:
    low, high = min(measured.samples), max(measured.samples)
    return number(measured.value) + unit, f"{number(low)}..{number(high)}" if len(measured.samples) > 1 else ""


def _figures(outcome: Outcome) -> str:
    if outcome.measured is None:
        return outcome.reason
    return "; ".join(map(str, outcome.measured.figures))


def _layer_cells(layers: Sequence[Layers]) -> list[tuple[str, ...]]:
    cells = [("", *(path.path for path in layers))]
    for k, name in enumerate(LAYERS):
        cells.append((name, *(_layer(path, k) for path in layers)))
    totals = [number(sum(path.microseconds)) if path.microseconds else "" for path in layers]
    return [*cells, ("in all", *totals)]


def _layer(path: Layers, k: int) -> str:
    if not path.microseconds:
        return path.reason if k == 0 else ""
    return f"{number(path.microseconds[k])} ({path.microseconds[k] / sum(path.microseconds):.1%})"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if k == 0 else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in facts.items():
        found += _flat(value, f"{prefix}{name} ") if isinstance(value, dict) else [(prefix + name, value)]
    return found
