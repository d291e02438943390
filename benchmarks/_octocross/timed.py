"""Durations on a machine that others may be using at the same time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: A sample is undisturbed if the process was running for so much of its wall time.
UNDISTURBED = 0.95
#: So many undisturbed samples decide; with fewer CPU time does.
ENOUGH = 5


@dataclass(frozen=True)
class Duration:
    """Medians in seconds: of `wall` and `cpu` time over all samples, and what counts, `s`: wall time of the undisturbed
    samples, or CPU time where there were too few (`busy`)."""

    s: float
    wall: float
    cpu: float
    samples: int
    busy: bool

    def plain(self) -> dict[str, Any]:
        return {"s": self.s, "wall_s": self.wall, "cpu_s": self.cpu, "samples": self.samples, "busy": self.busy}


class Stopwatch:
    """Collects samples of one thing."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def time(self, function: Callable[[], Any]) -> Any:
        """Call it and keep how long it took."""
        busy, start = time.process_time(), time.perf_counter()
        found = function()
        self.wall.append(time.perf_counter() - start)
        self.cpu.append(time.process_time() - busy)
        return found

    def duration(self) -> Duration:
        """Of the samples so far."""
        quiet = [wall for wall, cpu in zip(self.wall, self.cpu, strict=True) if cpu >= UNDISTURBED * wall]
        busy = len(quiet) < min(ENOUGH, len(self.wall))
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return Duration(cpu if busy else statistics.median(quiet), wall, cpu, len(self.wall), busy)
