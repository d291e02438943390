"""What goes wrong on a virtual rack, and when; drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from octogym.bridge.protocol.clock import MS

SECOND = 1_000 * MS
#: What can go wrong, and whom it befalls.
LINK_FAULTS = ("loss", "delay", "duplicate", "reorder", "reset", "partition", "corrupt", "oversized")
NODE_FAULTS = ("freeze", "stuck", "restart", "reboot", "version", "clock_step", "drift")
KEY_FAULTS = ("stranger", "flood", "claim", "clone")
HOST_FAULTS = ("host_death", "host_stuck", "host_clock_step")
KINDS = LINK_FAULTS + NODE_FAULTS + KEY_FAULTS + HOST_FAULTS


@dataclass(frozen=True)
class Fault:
    """`kind` befalls `device` ("" = the host) in [begin_ns, end_ns) of true time. `amount` in 0..1 is how badly."""

    kind: str
    device: str
    begin_ns: int
    end_ns: int
    amount: float


def draw_faults(
    draw: random.Random, devices: Sequence[str], begin_ns: int, end_ns: int, n: int, kinds: Sequence[str] = KINDS
) -> list[Fault]:
    """`n` faults that begin and end between the two times, most of them short, each of a kind of its own choice."""
    faults = []
    for _ in range(n):
        kind = draw.choice(kinds)
        length = min(end_ns - begin_ns, int(draw.expovariate(1.0) * 1.5 * SECOND) + 20 * MS)
        begin = draw.randint(begin_ns, end_ns - length)
        device = "" if kind in HOST_FAULTS else draw.choice(devices)
        faults.append(Fault(kind, device, begin, begin + length, draw.random()))
    return sorted(faults, key=lambda fault: fault.begin_ns)
