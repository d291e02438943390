"""From nothing to the first step: import, make, reset, step, in a new process each time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from benchmarks._speed.result import Figure, Measured
from benchmarks._speed.timing import Budget

ROOT = Path(__file__).resolve().parents[2]
#: What the simulator says while it compiles.
MESSAGE = "compiling"

PROGRAM = """
import time
times = [time.perf_counter()]
from octogym.envs import batching_v0
times.append(time.perf_counter())
env = batching_v0.parallel_env()
times.append(time.perf_counter())
env.reset(seed=0)
env.step({agent: env.action_space(agent).nvec * 0 for agent in env.agents})
times.append(time.perf_counter())
import json
print(json.dumps([b - a for a, b in zip(times, times[1:])]))
"""


def cold(budget: Budget) -> Measured:
    """With an empty cache of compiled code; Python's own caches are warm."""
    runs, messages = _starts(budget)[0]
    figures = _figures(runs)
    return Measured.median(
        [sum(run) for run in runs], [*figures, Figure("said that it compiles", messages, f"of {len(runs)} times")]
    )


def warm(budget: Budget) -> Measured:
    """The second start and later ones; the quick start's scenario."""
    runs, _ = _starts(budget)[1]
    return Measured.median([sum(run) for run in runs], _figures(runs))


@lru_cache(maxsize=1)
def _starts(budget: Budget) -> tuple[tuple[list[list[float]], int], tuple[list[list[float]], int]]:
    """(seconds per part and run, how many runs said that they compile): cold, warm."""
    colds: list[tuple[list[float], bool]] = []
    warms: list[tuple[list[float], bool]] = []
    for _ in range(1 if budget.quick else 3):
        with tempfile.TemporaryDirectory() as cache:
            colds.append(_start(cache))
            warms += [_start(cache) for _ in range(5)]
    cold, warm = (([seconds for seconds, _ in runs], sum(said for _, said in runs)) for runs in (colds, warms))
    return cold, warm


def _start(cache: str) -> tuple[list[float], bool]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the program failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout), MESSAGE in done.stderr


def _figures(runs: list[list[float]]) -> list[Figure]:
    parts = [statistics.median(part) for part in zip(*runs, strict=True)]
    return [Figure(name, part, "s") for name, part in zip(("import", "make", "reset and step"), parts, strict=True)]
