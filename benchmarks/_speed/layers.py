"""Where the time of a step goes, by timing the layers from within."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks._speed import paths
from benchmarks._speed.paths import Path
from benchmarks._speed.result import Skip
from benchmarks._speed.timing import Budget, stopwatch

#: From the outside in. What each contains beside the ones below it is its own.
LAYERS = (
    "interface: dictionaries, infos, tensors",
    "actions to settings",
    "frame and bookkeeping",
    "building observations and rewards",
    "calling the kernel",
    "kernel",
)


@dataclass(frozen=True)
class Layers:
    """Microseconds of one step of a path per layer, or the reason why there are none."""

    path: str
    microseconds: tuple[float, ...] = ()
    reason: str = ""


def measure_layers(budget: Budget) -> list[Layers]:
    """The paths of the table, one after the other."""
    makers: tuple[tuple[str, Callable[[int], Path]], ...] = (
        ("ParallelEnv, scale-16", paths.parallel),
        ("ParallelEnv, fcpo-testbed", lambda n: paths.parallel(n, "fcpo-testbed")),
        ("VectorEnv, 256 rows", lambda n: paths.vector(n, 16)),
        ("SB3 VecEnv, 256 rows", lambda n: paths.sb3(n, 16)),
        ("TorchRL EnvBase, 16 x 16", lambda n: paths.torchrl(n, 16)),
    )
    found = []
    for name, make in makers:
        try:
            found.append(Layers(name, layers_of(make(100), 0.3 if budget.quick else 3.0)))
        except Skip as error:
            found.append(Layers(name, reason=str(error)))
    return found


def layers_of(path: Path, seconds: float) -> tuple[float, ...]:
    """Microseconds of one step in each of `LAYERS`, over at least `seconds`. Observations are made after the kernel
    here, not within it as otherwise: it takes longer, but can be told apart."""
    core = path.core
    core._step_each = None
    path.restart()
    path.step(path.inputs[0])
    inner = [
        stopwatch((core, "decide_flat"), (core, "decide_each")),
        stopwatch((core, "advance")),
        stopwatch((core, "_observe")),
        stopwatch((core.backend, "_step")),
        stopwatch((core.backend, "_kernel")),
    ]
    steps, spent, totals = 0, 0, [0] * len(inner)
    while spent < seconds * 1e9:
        path.restart()
        before = [watch() for watch in inner]
        start = time.perf_counter_ns()
        for x in path.inputs:
            path.step(x)
        spent += time.perf_counter_ns() - start
        steps += len(path.inputs)
        totals = [total + watch() - old for total, watch, old in zip(totals, inner, before, strict=True)]
    decide, advance, observe, step, kernel = totals
    own = (spent - decide - advance, decide, advance - observe - step, observe, step - kernel, kernel)
    return tuple(part / steps / 1e3 for part in own)
