"""Two threads against one."""

from __future__ import annotations

from benchmarks._speed import paths
from benchmarks._speed.result import Figure, Measured, Skip
from benchmarks._speed.timing import Budget, Side, compare_anew, cores
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

    def sides(repeat: int) -> tuple[Side, Side]:
        made = {threads: _side(steps, num_envs, threads) for threads in ((2, 1) if repeat % 2 else (1, 2))}
        return made[2], made[1]

    found = compare_anew(sides, budget, same_work=True)
    return Measured.of(
        found,
        [
            Figure("two threads", found.ours / 1e6, "M requests/s"),
            Figure("one", found.other / 1e6, "M requests/s"),
        ],
    )


def _side(steps: int, num_envs: int, threads: int) -> Side:
    path = paths.vector(steps, num_envs, threads)
    core = path.core
    return Side(path.step, path.inputs, lambda: left(core.telemetry), path.restart)
