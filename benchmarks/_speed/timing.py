"""Two things timed against each other in one process, in many short slices that take turns."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Budget:
    """How long to measure: `repeats` times `pairs` pairs of slices of about `slice_s` seconds each."""

    slice_s: float
    pairs: int
    repeats: int
    quick: bool


FULL = Budget(0.1, 7, 7, False)
QUICK = Budget(0.03, 5, 5, True)
#: How many times shorter slices are where two sides differ by little.
FINER = 5


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and threads and processes that it starts, on one core; nothing where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Slice:
    """`units` of work in `seconds`; `wall` and `cpu` seconds of the thread say whether it had its core."""

    units: float
    seconds: float
    wall: float
    cpu: float


class Side:
    """One of the two: `step` is called with each of `inputs`, then again from the first.

    Args:
        units: work of one step, or a function that counts the work done so far; it is called outside the timed part.
        restart: called, untimed, before the first input of every round.
        excluded: nanoseconds so far that are not this side's own and are taken off.
    """

    def __init__(
        self,
        step: Callable[[Any], Any],
        inputs: Sequence[Any],
        units: float | Callable[[], float] = 1,
        restart: Callable[[], Any] | None = None,
        excluded: Callable[[], int] | None = None,
    ) -> None:
        self._step, self._inputs, self._units = step, inputs, units
        self._restart, self._excluded, self._at = restart, excluded, 0

    def rewind(self) -> None:
        self._at = 0

    def slice(self, steps: int) -> Slice:
        """Advance `steps` inputs."""
        units = seconds = wall = cpu = 0.0
        while steps:
            if self._at == 0 and self._restart is not None:
                self._restart()
            part = self._inputs[self._at : self._at + steps]
            before = self._counted()
            excluded = self._excluded() if self._excluded else 0
            busy, start = time.thread_time(), time.perf_counter()
            for x in part:
                self._step(x)
            spent = time.perf_counter() - start
            cpu += time.thread_time() - busy
            wall += spent
            seconds += spent - (self._excluded() - excluded) / 1e9 if self._excluded else spent
            units += self._units * len(part) if not callable(self._units) else self._counted() - before
            self._at = (self._at + len(part)) % len(self._inputs)
            steps -= len(part)
        return Slice(units, seconds, wall, cpu)

    def _counted(self) -> float:
        return float(self._units()) if callable(self._units) else 0.0


@dataclass(frozen=True)
class Comparison:
    """Work per second of one side over the other's.

    `ratios`: one per repeat, the median of its pairs; `ours` and `other`: median units per second. `core_share`: part
    of the timed wall time in which the thread was running.
    """

    ratios: tuple[float, ...]
    ratio: float
    ours: float
    other: float
    core_share: float


def compare(ours: Side, other: Side, budget: Budget, same_work: bool = False) -> Comparison:
    """Time both in turns, A B, B A, A B ..., so that a machine that gets slower or faster does so for both.

    Args:
        same_work: give both the same number of steps and require the same units of both.

    Raises:
        RuntimeError: `same_work`, and they differ.
    """
    steps = [_steps_in(side, budget.slice_s) for side in (ours, other)]
    if same_work:
        steps = [min(steps)] * 2
    for side in (ours, other):
        side.rewind()
    repeats: list[list[float]] = []
    rates: tuple[list[float], list[float]] = ([], [])
    wall = cpu = 0.0
    for n in range(budget.repeats):
        repeats.append([])
        for pair in range(budget.pairs):
            order = (0, 1) if (n + pair) % 2 == 0 else (1, 0)
            timed = {k: (ours, other)[k].slice(steps[k]) for k in order}
            if same_work and timed[0].units != timed[1].units:
                raise RuntimeError(f"the two sides did different work: {timed[0].units:g} and {timed[1].units:g}")
            speed = [timed[k].units / timed[k].seconds for k in (0, 1)]
            repeats[-1].append(speed[0] / speed[1])
            for k in (0, 1):
                rates[k].append(speed[k])
                wall += timed[k].wall
                cpu += timed[k].cpu
    return Comparison(
        tuple(statistics.median(pairs) for pairs in repeats),
        statistics.median(ratio for pairs in repeats for ratio in pairs),
        statistics.median(rates[0]),
        statistics.median(rates[1]),
        min(1.0, cpu / wall),
    )


def compare_anew(make: Callable[[int], tuple[Side, Side]], budget: Budget, same_work: bool = False) -> Comparison:
    """`compare` with sides that `make` makes for each repeat, of which it gets the number: where in memory an
    environment happens to lie alone makes some percent. These sides differ by few percent, less than a busy machine's
    from one slice to the next: FINER slices, as many times more of them."""
    once = replace(budget, repeats=1, slice_s=budget.slice_s / FINER, pairs=budget.pairs * FINER)
    found = [compare(*make(n), once, same_work) for n in range(budget.repeats)]
    ratios = tuple(each.ratio for each in found)
    return Comparison(
        ratios,
        statistics.median(ratios),
        statistics.median(each.ours for each in found),
        statistics.median(each.other for each in found),
        min(each.core_share for each in found),
    )


def _steps_in(side: Side, slice_s: float) -> int:
    side.slice(1)  # compiles and warms up
    steps = 1
    while True:
        spent = side.slice(steps).wall
        if spent >= slice_s / 4:
            return max(1, round(steps * slice_s / spent))
        steps *= 2


def stopwatch(*places: tuple[Any, str]) -> Callable[[], int]:
    """Time every call of the methods `(object, name)`; the function that comes back tells nanoseconds so far."""
    spent = [0]

    def timed(inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter_ns()
            try:
                return inner(*args, **kwargs)
            finally:
                spent[0] += time.perf_counter_ns() - start

        return call

    for owner, name in places:
        setattr(owner, name, timed(getattr(owner, name)))
    return lambda: spent[0]
