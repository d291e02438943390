"""A clock as a process reads it, a link with its faults, and a device's process."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from octogym.bridge.protocol.codec import MAX_CONTROL, Frames
from octogym.bridge.protocol.node import NodeMachine
from octogym.bridge.protocol.windows import NodeHost

#: Messages that wait for a process that does not read.
WAITING = 64
NEVER = 2**62


class Clock:
    """A monotonic clock as a process reads it: from anywhere on, fast or slow by `ppm`, now and then set."""

    def __init__(self, true_ns: int, shows_ns: int) -> None:
        self._true, self._shows, self._ppm = true_ns, shows_ns, 0

    def read(self, true_ns: int) -> int:
        past = true_ns - self._true
        return self._shows + past + past * self._ppm // 1_000_000

    def when(self, shows_ns: int) -> int:
        """The first true time at which it shows at least `shows_ns`, if nobody sets it."""
        rest = shows_ns - self._shows
        true = self._true + rest * 1_000_000 // (1_000_000 + self._ppm)
        while self.read(true) < shows_ns:
            true += 1
        return true

    def set(self, true_ns: int, step_ns: int = 0, ppm: int | None = None) -> None:
        """Jump by `step_ns`; run at `ppm` from now on."""
        self._true, self._shows = true_ns, self.read(true_ns) + step_ns
        self._ppm = self._ppm if ppm is None else ppm


@dataclass
class Link:
    """Both directions between the host and one device."""

    loss: float = 0.0
    delay_ns: int = 0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    cut: int = 0  # faults that cut it now
    generation: int = 0  # messages of an earlier one are lost
    last_ns: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})


@dataclass
class Node:
    """A device's process. `machine` None: it is down. `held`: faults that keep it from running."""

    device: str
    key: bytes
    clock: Clock
    machine: NodeMachine | None = None
    owner: NodeHost | None = None
    held: int = 0
    waiting: deque[Frames] = field(default_factory=lambda: deque(maxlen=WAITING))
    boots: int = 0
    due_ns: int = NEVER  # true time at which it wakes by itself


def broken(frames: Frames, draw: random.Random) -> Frames:
    """Frames that cannot be a message any more. (A message that is another is what CURVE is for.)"""
    kind = draw.randrange(5)
    if kind == 0:
        return [frames[0][: draw.randrange(len(frames[0]))], *frames[1:]]
    if kind == 1:
        return [bytes(draw.randrange(256) for _ in range(draw.randrange(200))), *frames[1:]]
    if kind == 2:
        return [*frames, b"", b""]
    if kind == 3:
        return [frames[0], bytes(MAX_CONTROL)]
    return [frames[0], *(frame[: draw.randrange(len(frame))] for frame in frames[1:] if frame), b"x"]
