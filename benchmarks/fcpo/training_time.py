"""How long a full federated training of the testbed takes, and where the time goes.

    python benchmarks/fcpo/training_time.py [--json FILE] [--quick]

One system, published settings, 300 episodes of every agent (they grow from 100 to 300 seconds), one process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._study.report import arguments, table, verdict, write
from octogym.agents.onboard import IAgentStack
from octogym.sim import SimBackend
from octogym.train.fcpo import FcpoTraining, train_fcpo, training
from octogym.train.fcpo.federation import Federations

PARTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "simulator": (SimBackend, ("step", "reset")),
    "agents: decide": (IAgentStack, ("decide",)),
    "agents: keep experiences": (IAgentStack, ("reward",)),
    "agents: learn": (IAgentStack, ("learn", "fine_tune")),
    "federation": (Federations, ("after_step",)),
    "history": (training.History, ("window", "updates")),
}


class Clock:
    """Seconds in each part, those of parts within it taken off."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._within: list[float] = []

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._within.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                passed = time.perf_counter() - start
                self.seconds[part] += passed - self._within.pop()
                if self._within:
                    self._within[-1] += passed

        return timed


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", episodes=300).parse_args(argv)
    if options.quick:
        options.episodes = 3
    train_fcpo(FcpoTraining("traffic-2", episodes=1, horizon_s=100, quiet=True))  # compiles
    clock = Clock()
    originals = {(owner, name): getattr(owner, name) for owner, names in PARTS.values() for name in names}
    for part, (owner, names) in PARTS.items():
        for name in names:
            setattr(owner, name, clock.wrap(part, originals[owner, name]))
    start = time.perf_counter()
    try:
        result = train_fcpo(FcpoTraining("fcpo-testbed", episodes=options.episodes, quiet=True))
    finally:
        for (owner, name), function in originals.items():
            setattr(owner, name, function)
    total = time.perf_counter() - start
    windows = int(result.history["t_s"][-1]) if len(result.history["t_s"]) else 0
    clock.seconds["the rest"] = total - sum(clock.seconds.values())
    agents = result.policy.population.num_agents
    print(table(("part", "s", "share, %"), [
        (name, f"{seconds:.1f}", f"{100 * seconds / total:.0f}") for name, seconds in clock.seconds.items()
    ]))  # fmt: skip
    rounds = len(result.rounds)
    size = float(np.mean([report.bytes_up + report.bytes_down for _, report in result.rounds])) if rounds else 0.0
    print(
        f"{total / 60:.1f} minutes: {windows} s of {agents} agents, {options.episodes} episodes each at least, "
        f"{rounds} federated rounds of {size / 1e3:.0f} kB"
    )
    if options.json is not None:
        figures = {"seconds": clock.seconds, "total_s": total, "windows": windows, "agents": agents, "rounds": rounds}
        lines = [
            verdict(
                f"a federated training of the testbed ({options.episodes} episodes) takes minutes",
                "(our aim)",
                f"{total / 60:.1f} minutes",
                total < 1800,
            )
        ]
        write(options.json, "training_time", options.quick, {"episodes": options.episodes}, figures, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
