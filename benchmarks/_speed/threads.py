"""Two threads against one."""

from __future__ import annotations

from benchmarks._speed import paths
from benchmarks._speed.result import Figure, Measured, Skip
from benchmarks._speed.timing import Budget, Side, compare, cores
from benchmarks._speed.work import left

MANY = 256


def many(budget: Budget) -> Measured:
    """A VectorEnv of 256 environments of 16 agents, same seeds and actions."""
    return _compare(MANY, 10 if budget.quick else 30, budget)


def single(budget: Budget) -> Measured:
    """A VectorEnv of one environment; asking for threads must not cost anything."""
    return _compare(1, 100, budget)


def _compare(num_envs: int, steps: int, budget: Budget) -> Measured:
    if cores() < 2:
        raise Skip("this process may use one core only")
    sides = []
    for threads in (2, 1):
        path = paths.vector(steps, num_envs, threads)
        core = path.core
        sides.append(Side(path.step, path.inputs, lambda core=core: left(core.telemetry), path.restart))
    found = compare(*sides, budget, same_work=True)
    return Measured.of(
        found,
        [
            Figure("two threads", found.ours / 1e6, "M requests/s"),
            Figure("one", found.other / 1e6, "M requests/s"),
        ],
    )
