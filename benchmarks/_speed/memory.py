"""Memory of an environment, and whether it grows."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

from benchmarks._speed import paths
from benchmarks._speed.paths import SCENARIO, Path
from benchmarks._speed.result import Figure, Measured, Skip
from benchmarks._speed.timing import Budget
from octogym.cluster.registry import load_scenario

MB = 1e6
_STEPS = 60


def resident() -> int:
    """Bytes of this process in memory.

    Raises:
        Skip: the system does not tell.
    """
    try:
        status = File("/proc/self/status").read_text(encoding="ascii")
    except OSError as error:
        raise Skip("resident memory is read from /proc/self/status, which this system does not have") from error
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def per_environment(budget: Budget) -> Measured:
    """The larger of resident and traced bytes per environment after 60 steps under random actions, as one VectorEnv and
    as ParallelEnvs that share a scenario."""
    count = 8 if budget.quick else 32
    scenario = load_scenario(SCENARIO)
    makers: dict[str, Callable[[], Any]] = {
        "VectorEnv": lambda: _run(paths.vector(_STEPS, count)),
        "ParallelEnv": lambda: [_run(paths.parallel(_STEPS, scenario)) for _ in range(count)],
    }
    kept = [make() for make in makers.values()]  # what is set up once is no environment's
    samples, figures, largest = [0.0] * budget.repeats, [], 0.0
    for name, make in makers.items():
        grown = []
        for _ in range(budget.repeats):
            gc.collect()
            before = resident()
            kept.append(make())  # freed memory would be used again and not seen
            grown.append((resident() - before) / count / MB)
        traced = _traced(make) / count / MB
        samples, largest = [max(pair) for pair in zip(samples, grown, strict=True)], max(largest, traced)
        figures += [Figure(name, statistics.median(grown), "MB resident"), Figure("and", traced, "MB traced")]
    return Measured.median([max(sample, largest) for sample in samples], figures)


def _run(path: Path) -> Path:
    path.restart()
    for x in path.inputs:
        path.step(x)
    return path


def _traced(make: Callable[[], Any]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        kept = make()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
        del kept
    finally:
        tracemalloc.stop()
    return grown


def growth(budget: Budget) -> Measured:
    """The larger of resident and traced MB that 10^6 agent-steps of a ParallelEnv add, resets included. At less than a
    byte per agent-step nothing is kept: the smallest object takes 16."""
    steps = 100_000 if budget.quick else 1_000_000
    path = paths.parallel(64)
    scale = 1_000_000 / steps / MB
    _advance(path, max(steps // 4, path.core.S * (path.core.horizon + 10)))  # an episode and its end at least
    gc.collect()
    before = resident()
    _advance(path, steps)
    gc.collect()
    grown = (resident() - before) * scale
    tracemalloc.start()
    try:
        _advance(path, steps // 8)
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        _advance(path, steps)
        gc.collect()
        traced = (tracemalloc.get_traced_memory()[0] - first) * scale
    finally:
        tracemalloc.stop()
    value = max(grown, traced, 0.0)
    figures = [
        Figure("resident", grown, "MB per 10^6 agent-steps"),
        Figure("traced", traced, "MB"),
        Figure("measured over", steps, "agent-steps each"),
    ]
    return Measured(value, (value,), tuple(figures))


def _advance(path: Path, agent_steps: int) -> None:
    env = path.env
    for k in range(agent_steps // path.core.S):
        if not env.agents:
            env.reset()
        env.step(path.inputs[k % len(path.inputs)])
