"""The simulator as the lines measure it: with decisions recorded beforehand, or its compiled kernel alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.registry import make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry
from octogym.sim import SimBackend

#: How a request leaves an instance. `dropped_out` is not among them: those were completed before.
LEFT = ("completed", "dropped_full", "dropped_late", "failed", "lost")


def left(telemetry: Telemetry | dict[str, Any]) -> int:
    """Requests that have left an instance since the reset, served or dropped."""
    told = telemetry if isinstance(telemetry, dict) else vars(telemetry)
    return int(sum(told["total_" + name].sum() for name in LEFT))


def arrivals(telemetry: Telemetry, steps: int) -> float:
    """Mean requests per agent-step in the `steps` windows since the reset."""
    return float(telemetry.total_arrived.sum()) / (steps * telemetry.total_arrived.size)


def rate_rule_decisions(scenario: Scenario, seed: int, windows: int) -> list[Decision]:
    """What the rate rule decides in one environment, window by window."""
    runner = Runner(SimBackend(scenario), make_policy("rate-rule"))
    return [window.decision.copy() for window in runner.windows(windows, seed)]


def record(backend: SimBackend, drive: Callable[[], Any]) -> list[Decision]:
    """The decisions that reach `backend` while `drive` runs."""
    taped: list[Decision] = []
    step = backend._step

    def spy(decision: Decision) -> Telemetry:
        taped.append(decision.copy())
        return step(decision)

    backend._step = spy  # type: ignore[method-assign]
    try:
        drive()
    finally:
        del backend._step
    return taped


class Kernel:
    """The compiled simulator called directly: no decision is built or checked, no array leaves it."""

    def __init__(self, scenario: Scenario, num_envs: int, seed: int, decisions: Sequence[Decision]) -> None:
        if scenario.options.delay_steps:
            raise ValueError(f"{scenario.name} delays decisions, which happens outside the kernel")
        self.backend = SimBackend(scenario, num_envs, check=False)
        self._seed, self.decisions = seed, decisions
        self.telemetry = self.restart()

    def restart(self) -> Telemetry:
        return self.backend.reset(self._seed)

    def step(self, decision: Decision) -> None:
        backend = self.backend
        backend._addresses.decide(decision)
        if backend._kernel():
            backend._go_on()


def random_settings(core: Any, count: int, seed: int = 0) -> np.ndarray:
    """int64 [count, E, S, 3]: actions drawn uniformly from every agent's action space."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, core.accepted, (count, core.E, *core.accepted.shape))
