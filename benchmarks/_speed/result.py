"""What one line of the table holds, and what it promises."""

from __future__ import annotations

import importlib
import statistics
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks._speed.timing import Budget, Comparison


class Skip(Exception):
    """Cannot be measured here; the message says why."""


def need(module: str, package: str, extra: str) -> Any:
    """The imported module.

    Raises:
        Skip: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (
            "" if (error.name or module).partition(".")[0] == module.partition(".")[0] else f"{error.name}, which "
        )
        needs = f"{package} needs, " if missing else f"{package} "
        raise Skip(f'{missing}{needs}is not installed (pip install "octogym[{extra}]")') from error


@dataclass(frozen=True)
class Figure:
    """One absolute number behind a ratio."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name} {number(self.value)} {self.unit}".rstrip()


@dataclass(frozen=True)
class Measured:
    """`value`: the median; `samples`: one per repeat; `core_share`: see `timing.Comparison`, None if not timed so."""

    value: float
    samples: tuple[float, ...]
    figures: tuple[Figure, ...]
    core_share: float | None = None

    @classmethod
    def of(cls, found: Comparison, figures: Sequence[Figure]) -> Measured:
        return cls(found.ratio, found.ratios, tuple(figures), found.core_share)

    @classmethod
    def median(cls, samples: Sequence[float], figures: Sequence[Figure]) -> Measured:
        return cls(statistics.median(samples), tuple(samples), tuple(figures))


@dataclass(frozen=True)
class Goal:
    """`bound` is what issue 2 asks for at least, `stretch` what would be fine. `at_most`: smaller is better.

    `decimals`: the measurement is no finer than that; it is rounded before it is held against the goal.
    """

    bound: float
    stretch: float | None = None
    unit: str = "x"
    at_most: bool = False
    decimals: int | None = None

    def meets(self, value: float, bound: float) -> bool:
        if self.decimals is not None:
            value = round(value, self.decimals)
        return value <= bound if self.at_most else value >= bound

    def says(self, bound: float | None) -> str:
        return "" if bound is None else f"{'≤' if self.at_most else '≥'} {bound:g}{self.unit}"


@dataclass(frozen=True)
class Line:
    """One line of the table. `measure`: `module:function` in this package, called with a Budget."""

    row: str
    name: str
    goal: Goal
    measure: str


@dataclass(frozen=True)
class Outcome:
    """A line as it came out; `reason` if it was skipped or failed."""

    line: Line
    verdict: str  # stretch, pass, short, skipped, failed
    measured: Measured | None = None
    reason: str = ""


def measure(line: Line, budget: Budget) -> Outcome:
    """Measure one line, here and now."""
    module, _, function = line.measure.partition(":")
    try:
        measured: Measured = getattr(importlib.import_module(f"{__package__}.{module}"), function)(budget)
    except Skip as error:
        return Outcome(line, "skipped", reason=str(error))
    except Exception as error:  # a broken peer must not stop the rest
        traceback.print_exc(file=sys.stderr)
        return Outcome(line, "failed", reason=f"{type(error).__name__}: {error}")
    goal = line.goal
    if not goal.meets(measured.value, goal.bound):
        verdict = "short"
    elif goal.stretch is not None and goal.meets(measured.value, goal.stretch):
        verdict = "stretch"
    else:
        verdict = "pass"
    return Outcome(line, verdict, measured)


def number(value: float) -> str:
    """Three significant digits, no exponent; whole numbers as they are."""
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0
    while abs(value) * 10**digits < 100 and digits < 9:
        digits += 1
    return f"{value:.{digits}f}"
