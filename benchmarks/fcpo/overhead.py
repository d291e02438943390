"""What an iAgent costs beside the work it controls: decision, update, memory, bytes to send; the budget of issue 3.

    python benchmarks/fcpo/overhead.py [--quick] [--json FILE]

Every figure is of one agent alone on one core, with NumPy. Calls are timed one by one, in the order in which an agent's
life has them (reward, decision, ..., update). A time is the median of a round, of the round that was disturbed least;
still, measure on a machine that does nothing else. The last line says `pass`, or `fall short:` and by what; the
exit status is 0 or 1 accordingly. BCEdge's network is measured beside it where torch is installed.
"""

from __future__ import annotations

import os

# One core, before NumPy starts its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import gc
import json
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

# The checkout, where the package is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np

from benchmarks._fcpo.overhead_claims import claims
from benchmarks._speed.memory import resident
from benchmarks._speed.result import Skip
from benchmarks._speed.timing import one_core
from octogym.agents.onboard import IAgentConfig, IAgentStack
from octogym.agents.onboard.sampling import ActionUniforms
from octogym.cluster.errors import MissingExtra
from octogym.fed.update import Upload
from octogym.fed.wire import encode_upload

#: Action sizes (R, B, M) of the agents of FCPO's testbed.
AGENTS = {
    "NX or Orin, other": (1, 8, 2),
    "NX or Orin, detector": (2, 8, 2),
    "AGX, detector": (4, 16, 2),
    "server, detector": (4, 16, 4),
    "server, other": (1, 64, 4),
}
STEPS = 100
#: The budget: microseconds, microseconds, milliseconds, bytes, ratio to the raw float32.
DECISION_US, DIVERSE_US, UPDATE_MS, MEMORY, PAYLOAD = 50.0, 120.0, 5.0, 1_000_000, 1.10


@dataclass(frozen=True)
class Cost:
    """One agent's. `diverse_us`: a decision with a full buffer whose content changed since; `reward_us`: storing an
    experience. `update_full_ms`: with a buffer that keeps all 99 experiences."""

    agent: str
    parameters: int
    decision_us: float
    diverse_us: float
    reward_us: float
    update_ms: float
    update_full_ms: float
    resident_bytes: float
    payload_bytes: int

    def shortfalls(self) -> list[str]:
        """What of the budget does not hold, in words."""
        checks = (
            ("decision", self.decision_us, DECISION_US, "us"),
            ("decision with diversity", self.diverse_us, DIVERSE_US, "us"),
            ("update", max(self.update_ms, self.update_full_ms), UPDATE_MS, "ms"),
            ("resident", self.resident_bytes / 1e6, MEMORY / 1e6, "MB"),
            ("payload", self.payload_bytes / (4 * self.parameters), PAYLOAD, "x raw"),
        )
        return [
            f"{self.agent} {name} {value:.3g} {unit} of {most:g}" for name, value, most, unit in checks if value > most
        ]


class Life:
    """An agent alone that lives through windows prepared beforehand."""

    def __init__(self, sizes: tuple[int, int, int], **switches: Any) -> None:
        self.stack = IAgentStack(sizes, 1, 1, IAgentConfig(**switches), seeds=[1])
        random = np.random.default_rng(0)
        self._observations = list(random.random((STEPS, 1, 1, 8), dtype=np.float32))
        self._rewards = list(random.uniform(-1, 1, (STEPS, 1, 1)).astype(np.float32))
        self._valid = np.ones((1, 1), bool)
        self._uniforms = ActionUniforms(0, 0)
        #: Median seconds of a decision, of a reward, of an update, per round.
        self.decided: list[float] = []
        self.rewarded: list[float] = []
        self.updated: list[float] = []

    def round(self, episodes: int, settle: int = 0) -> None:
        """Some episodes, of which the first `settle` windows are not noted."""
        times = [self.episode(settle) for _ in range(episodes)]
        self.decided.append(statistics.median([t for decided, _, _ in times for t in decided]))
        self.rewarded.append(statistics.median([t for _, rewarded, _ in times for t in rewarded]))
        self.updated.append(statistics.median([updated for _, _, updated in times]))

    def episode(self, settle: int = 0) -> tuple[list[float], list[float], float]:
        """100 windows and the update. Returns the seconds of decisions, of rewards, of the update."""
        stack, clock = self.stack, time.perf_counter
        decided, rewarded = [], []
        for step in range(STEPS):
            begin = clock()
            stack.reward(self._rewards[step], self._valid)
            between = clock()
            stack.decide(self._observations[step], self._uniforms.at(step))
            end = clock()
            if step >= settle:
                rewarded.append(between - begin)
                decided.append(end - between)
        begin = clock()
        stack.learn(force=True)
        return decided, rewarded, clock() - begin


def measure(agent: str, sizes: tuple[int, int, int], rounds: int, agents: int) -> Cost:
    """Measure one kind of agent over some rounds, its memory over some agents."""
    plain, diverse = Life(sizes, capacity=200), Life(sizes, threshold=-1e9)
    capacity = diverse.stack.config.capacity
    for _ in range(rounds):
        plain.round(5)
        diverse.round(10, settle=capacity + 1)
    parameters = plain.stack.get(0)
    return Cost(
        agent,
        sum(array.size for array in parameters.values()),
        1e6 * min(plain.decided),
        1e6 * min(diverse.decided),
        1e6 * min(diverse.rewarded),
        1e3 * min(diverse.updated),
        1e3 * min(plain.updated),
        memory(lambda: Life(sizes), Life.episode, agents),
        len(encode_upload(Upload("cam-1/traffic.yolov5n", "cam-1", 1, sizes, 0.5, parameters))),
    )


def memory(make: Callable[[], Any], use: Callable[[Any], Any], count: int) -> float:
    """Bytes per object that is made and used once: the larger of what the process grows by and what Python traces."""
    use(make())  # what is set up once is nobody's
    gc.collect()
    before = _resident()
    kept = []
    for _ in range(count):
        kept.append(make())
        use(kept[-1])
    grown = (_resident() - before) / count
    tracemalloc.start()
    try:
        kept.append(make())
        use(kept[-1])
        traced = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return max(grown, traced)


def _resident() -> int:
    try:
        return resident()
    except Skip:
        return 0


def measure_bcedge(quick: bool) -> dict[str, float] | str:
    """BCEdge's decision, update on 7000 experiences and memory; or why they are not measured."""
    try:
        from octogym.agents.bcedge import network
        from octogym.agents.onboard.sampling import inverse_cdf
        from octogym.cluster.registry import load_scenario
        from octogym.train.bcedge.training import Agent, BCEdgeConfig
        from octogym.train.bcedge.world import World, models_of
        from octogym.train.torch_extra import import_torch, torch_threads

        torch = import_torch()
    except (ImportError, MissingExtra) as error:
        return f"not measured: {error}"
    weights = network.initial(np.random.default_rng(0))
    random = np.random.default_rng(0)
    state, u = random.random((1, 5), dtype=np.float32), random.random((1, 3))
    decided = []
    for _ in range(4 if quick else 40):
        times = []
        for _ in range(STEPS):
            start = time.perf_counter()
            for k, chance in enumerate(network.probabilities(weights, state).values()):
                inverse_cdf(chance, u[:, k])
            times.append(time.perf_counter() - start)
        decided.append(statistics.median(times))
    cluster = load_scenario("traffic-2", traces="synthetic").cluster
    config = BCEdgeConfig()
    kind = cluster.devices[cluster.instances[0].device].type.name
    world = World(cluster, kind, models_of(cluster, config.inputs), config.throughput)
    with torch_threads(torch, 1):
        agent = Agent(config, 0, torch)
        updates = []
        for count in range(3 if quick else 15):
            start = time.perf_counter()
            agent.update(world, count)
            updates.append(time.perf_counter() - start)
    values = sum(array.size for array in weights.values())
    # What has to stay: weights, Adam's moments, 7000 experiences of 11 numbers.
    return {
        "parameters": values,
        "decision_us": 1e6 * min(decided),
        "update_ms": 1e3 * min(updates),
        "resident_bytes": 4.0 * (3 * values + config.experiences * 11),
        "payload_bytes": 4.0 * values,
    }


def table(costs: Sequence[Cost], bcedge: dict[str, float] | str) -> str:
    """All figures, a line per agent."""
    head = (
        "agent",
        "parameters",
        "decide",
        "+diversity",
        "store",
        "update",
        "99 kept",
        "resident",
        "payload",
        "of raw",
    )
    lines = ["".join(title.rjust(11) if k else title.ljust(24) for k, title in enumerate(head))]
    for c in costs:
        cells = (
            f"{c.parameters}",
            f"{c.decision_us:.1f} us",
            f"{c.diverse_us:.1f} us",
            f"{c.reward_us:.1f} us",
            f"{c.update_ms:.2f} ms",
            f"{c.update_full_ms:.2f} ms",
            f"{c.resident_bytes / 1e3:.0f} kB",
            f"{c.payload_bytes / 1e3:.1f} kB",
            f"{c.payload_bytes / (4 * c.parameters):.3f}",
        )
        lines.append(c.agent.ljust(24) + "".join(cell.rjust(11) for cell in cells))
    if isinstance(bcedge, str):
        lines.append("BCEdge".ljust(24) + bcedge)
    else:
        cells = (
            f"{bcedge['parameters']:.0f}",
            f"{bcedge['decision_us']:.1f} us",
            "",
            "",
            f"{bcedge['update_ms']:.1f} ms",
            "",
            f"{bcedge['resident_bytes'] / 1e3:.0f} kB",
            f"{bcedge['payload_bytes'] / 1e3:.1f} kB",
        )
        lines.append("BCEdge".ljust(24) + "".join(cell.rjust(11) for cell in cells))
        lines.append("BCEdge updates on 7000 experiences, with torch; its resident memory is counted, not measured.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 if the budget holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    options = parser.parse_args(arguments)
    rounds, agents = (4, 16) if options.quick else (40, 64)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    with one_core():
        costs = [measure(agent, sizes, rounds, agents) for agent, sizes in AGENTS.items()]
        bcedge = measure_bcedge(options.quick)
    short = [line for cost in costs for line in cost.shortfalls()]
    verdict = "fall short: " + "; ".join(short) if short else "pass"
    if options.json:
        found = {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "quick": options.quick,
            "machine": {
                "system": platform.platform(),
                "processor": processor(),
                "python": platform.python_version(),
                "numpy": np.__version__,
                "load": load,
            },
            "budget": {
                "decision_us": DECISION_US,
                "diverse_us": DIVERSE_US,
                "update_ms": UPDATE_MS,
                "resident_bytes": MEMORY,
                "payload_of_raw": PAYLOAD,
            },
            "agents": [asdict(cost) for cost in costs],
            "bcedge": bcedge,
            "verdict": verdict,
            "verdicts": claims(costs, bcedge, short),
        }
        Path(options.json).parent.mkdir(parents=True, exist_ok=True)
        Path(options.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table(costs, bcedge))
    if load > 1:
        print(f"The machine was busy: {load:.1f} processes were running on average; the times are too long.")
    print(verdict)
    return int(bool(short))


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    sys.exit(main())
