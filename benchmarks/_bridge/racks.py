"""A simulated rack stepped in real time, with a bare exchange of the same payloads in every window."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks._bridge.awake import stolen_s
from benchmarks._bridge.bare import BareExchange
from benchmarks._speed.memory import resident
from benchmarks._speed.timing import cores
from octogym.bridge.backend import BridgeBackend
from octogym.bridge.session import CONTROL
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.rack.up import simulated_rack

#: Windows that are stepped before anything is measured.
WARM_UP = 8


@dataclass
class Stepped:
    """What was found with so many nodes. Times in ns, one per step.

    `overhead`: from the window's end to the return of step(). `cpu`: of the host's process in that step, the bare
    exchange not counted. `exchange`: bare pyzmq, act-sized frames to all and obs-sized frames back.
    `stolen_percent`: of all cores' time, what other machines took.
    """

    nodes: int
    period_ns: int
    act_bytes: int = 0
    obs_bytes: int = 0
    overhead: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    exchange: list[int] = field(default_factory=list)
    exchange_cpu: list[int] = field(default_factory=list)
    stolen_percent: float | None = None
    late_steps: int = 0
    faults: dict[str, int] = field(default_factory=dict)


def scenario_of(nodes: int) -> Any:
    """Two instances per node."""
    return load_scenario(f"scale-{2 * nodes}")


def step_rack(nodes: int, period_ms: float, steps: int, bare: bool = True, steady: bool = False) -> Stepped:
    """Step a rack whose nodes run in a process of their own. `bare`: with a bare exchange in every window. `steady`:
    each step returns at the same moment after its window's end."""
    scenario = scenario_of(nodes)
    speed = scenario.cluster.period_ns / (period_ms * 1e6)
    with simulated_rack(scenario, speed, nodes="process", join_s=120.0, steady=steady) as rack:
        found = Stepped(nodes, rack.roster.period_ns)
        keep = Decision.keep(rack.cluster)
        rack.reset(0)
        frames = _Sizes(rack)
        for _ in range(WARM_UP):
            rack.step(keep)
        act, obs = frames.largest()
        found.act_bytes, found.obs_bytes = sum(act), sum(obs)
        if not bare:
            _run(rack, found, steps, None)
            return found
        with BareExchange(nodes, act, obs) as exchange:
            for _ in range(WARM_UP):
                exchange.exchange()
            _run(rack, found, steps, exchange)
    return found


def _run(rack: BridgeBackend, found: Stepped, steps: int, exchange: BareExchange | None) -> None:
    with rack._session.machine_now() as (machine, _):
        origin_ns, period_ns = machine.tick_ns(-1), found.period_ns
    keep = Decision.keep(rack.cluster)
    rack.step(keep)
    late, faults = rack.tally.late_steps, rack.tally.faults.copy()
    stolen, began = stolen_s(), time.monotonic()
    for _ in range(steps):
        if exchange is not None:
            time.sleep(period_ns / 4e9)  # what the step before has set in motion comes to rest
            cpu = time.process_time_ns()
            found.exchange.append(exchange.exchange())
            found.exchange_cpu.append(time.process_time_ns() - cpu)
        cpu = time.process_time_ns()
        rack.step(keep)
        now = time.monotonic_ns()
        found.cpu.append(time.process_time_ns() - cpu)
        found.overhead.append((now - origin_ns) - rack._next * period_ns)
        found.returned.append(now)
    after, seconds = stolen_s(), (time.monotonic() - began) * cores()
    if stolen is not None and after is not None:
        found.stolen_percent = 100 * (after - stolen) / seconds
    found.late_steps = rack.tally.late_steps - late
    found.faults = dict(rack.tally.faults - faults)


class _Sizes:
    """Notes the sizes of the frames that pass a rack's control socket, until asked for the largest."""

    def __init__(self, rack: BridgeBackend) -> None:
        sockets = rack._session._sockets
        self._sockets, self._receive, self._send = sockets, sockets.receive, sockets.send
        self._sent: list[list[int]] = []
        self._received: list[list[int]] = []
        sockets.receive, sockets.send = self._note_received, self._note_sent

    def largest(self) -> tuple[list[int], list[int]]:
        """Of the acts that were sent, and of the observations that were received."""
        self._sockets.receive, self._sockets.send = self._receive, self._send
        return max(self._sent, key=sum), max(self._received, key=sum)

    @staticmethod
    def _note(sizes: list[list[int]], kind: bytes, frames: list[bytes]) -> None:
        if b"\xa4type\xa3" + kind in frames[0]:
            sizes.append([len(frame) for frame in frames])

    def _note_received(self, channel: str) -> Any:
        message = self._receive(channel)
        if message is not None and channel == CONTROL:
            self._note(self._received, b"obs", message[1])
        return message

    def _note_sent(self, channel: str, key: bytes, frames: list[bytes]) -> bool:
        self._note(self._sent, b"act", frames)
        return self._send(channel, key, frames)


def memory_of(steps: int, nodes: int = 4, period_ms: float = 10.0) -> dict[str, float]:
    """Growth of this process over so many steps of a small, fast rack; the first tenth does not count."""
    scenario = scenario_of(nodes)
    with simulated_rack(scenario, scenario.cluster.period_ns / (period_ms * 1e6), nodes="process", join_s=120) as rack:
        keep = Decision.keep(rack.cluster)
        rack.reset(0)
        for _ in range(max(steps // 10, 100)):
            rack.step(keep)
        before = resident()
        for _ in range(steps):
            rack.step(keep)
        after = resident()
    return {
        "steps": steps,
        "nodes": nodes,
        "before": before,
        "after": after,
        "bytes_per_step": (after - before) / steps,
    }
