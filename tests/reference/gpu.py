"""A GPU: lanes, a line of instances that wait for one, and processor sharing in integers (contract, section 7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.reference.events import INFERENCE, Events

UNIT = 12252240  # of work per ns of inference time


@dataclass
class Service:
    """A batch of one instance, waiting or in service. `started` and `finished` are called with the time."""

    instance: int
    work: int
    started: Callable[[int], None]
    finished: Callable[[int], None]


class Gpu:
    def __init__(self, index: int, lanes: int, contention: bool, events: Events) -> None:
        self.index = index
        self.lanes = lanes
        self.contention = contention
        self.events = events
        self.line: deque[Service] = deque()
        self.running: list[Service] = []
        self.progressed_to = 0
        self.busy_ns = 0
        self.plan = 0  # the completion that is on the event list stands if its number is this one

    def ask(self, now: int, service: Service) -> None:
        """Start `service`, or let it wait for a lane."""
        self.line.append(service)
        self.progress(now)
        self._fill_lanes(now)

    def progress(self, now: int) -> None:
        """Bring the work of all batches in service to `now`."""
        elapsed = now - self.progressed_to
        self.progressed_to = now
        if self.running:
            self.busy_ns += elapsed
        for service in self.running:
            service.work -= elapsed * self._rate()

    def lose_all(self, now: int) -> None:
        """The device leaves."""
        self.progress(now)
        self.line.clear()
        self.running.clear()
        self.plan += 1

    def _rate(self) -> int:
        n = len(self.running)
        return UNIT * 10 // (n * (n + 9)) if self.contention else UNIT

    def _fill_lanes(self, now: int) -> None:
        while self.line and len(self.running) < self.lanes:
            service = self.line.popleft()
            self.running.append(service)
            service.started(now)
        self._plan_next(now)

    def _plan_next(self, now: int) -> None:
        self.plan += 1
        if self.running:
            left, instance = min((max(0, -(-s.work // self._rate())), s.instance) for s in self.running)
            self.events.at(now + left, INFERENCE, (self.index, instance), self._complete, self.plan, instance)

    def _complete(self, now: int, plan: int, instance: int) -> None:
        if plan != self.plan:
            return
        self.progress(now)
        service = next(s for s in self.running if s.instance == instance)
        self.running.remove(service)
        service.finished(now)
        self._fill_lanes(now)
