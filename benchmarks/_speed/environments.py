"""The environment against mpe2 and against our own kernel called directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._speed import paths
from benchmarks._speed.paths import Path
from benchmarks._speed.result import Figure, Measured, need
from benchmarks._speed.timing import Budget, Side, compare, compare_anew
from benchmarks._speed.work import Kernel, arrivals, left, record

MPE2_AGENTS = 16


def mpe2(budget: Budget) -> Measured:
    """Agent-steps per second, actions drawn beforehand, each with episodes of its own length, resets included."""
    peer = need("mpe2.simple_spread_v3", "mpe2", "bench").parallel_env(N=MPE2_AGENTS)
    rng = np.random.default_rng(0)
    spaces = {agent: peer.action_space(agent).n for agent in peer.possible_agents}
    peer_actions = [{agent: int(rng.integers(n)) for agent, n in spaces.items()} for _ in range(64)]
    path = paths.parallel(64)
    ours = Side(_endless(path.env), path.inputs, path.core.S)
    other = Side(_endless(peer), peer_actions, MPE2_AGENTS)
    found = compare(ours, other, budget)
    steps = min(100, path.core.horizon - 1)
    return Measured.of(
        found,
        [
            Figure("ParallelEnv", found.ours / 1e3, "k agent-steps/s"),
            Figure("mpe2", found.other / 1e3, "k agent-steps/s"),
            Figure("arrivals", _arrivals(path, steps), "requests per agent-step"),
        ],
    )


def _endless(env: Any) -> Callable[[dict[str, Any]], None]:
    env.reset(seed=0)

    def step(actions: dict[str, Any]) -> None:
        env.step(actions)
        if not env.agents:
            env.reset()

    return step


def _arrivals(path: Path, steps: int) -> float:
    path.restart()
    for k in range(steps):
        path.step(path.inputs[k % len(path.inputs)])
    assert path.core.telemetry is not None
    return arrivals(path.core.telemetry, steps)


def parallel(budget: Budget) -> Measured:
    return _against_kernel(lambda: paths.parallel(_steps(budget, 1)), budget)


def vector(budget: Budget) -> Measured:
    """256 rows: 16 environments of 16 agents."""
    return _against_kernel(lambda: paths.vector(_steps(budget, 16), 16), budget)


def sb3(budget: Budget) -> Measured:
    """256 rows: 16 environments of 16 agents."""
    return _against_kernel(lambda: paths.sb3(_steps(budget, 16), 16), budget)


def _steps(budget: Budget, num_envs: int) -> int:
    return max(10, (100 if budget.quick else 400) // num_envs)


def _against_kernel(make: Callable[[], Path], budget: Budget) -> Measured:
    found = compare_anew(lambda _: _beside_kernel(make()), budget, same_work=True)
    path = make()
    per_agent_step = _arrivals(path, len(path.inputs))
    return Measured.of(
        found,
        [
            Figure("path", found.ours / 1e6, "M requests/s"),
            Figure("kernel", found.other / 1e6, "M requests/s"),
            Figure("arrivals", per_agent_step, "requests per agent-step"),
        ],
    )


def _beside_kernel(path: Path) -> tuple[Side, Side]:
    """Same seeds, same decisions: those that the path makes of its actions are recorded and given to the kernel."""
    core = path.core

    def episode() -> None:
        path.restart()
        for x in path.inputs:
            path.step(x)

    kernel = Kernel(core.scenario, core.E, 0, record(core.backend, episode))
    ours = Side(path.step, path.inputs, lambda: left(core.telemetry), path.restart)
    other = Side(kernel.step, kernel.decisions, lambda: left(kernel.telemetry), kernel.restart)
    return ours, other
