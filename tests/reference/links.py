"""Links: a piecewise constant rate, an uplink that serves send queues, a downlink (contract, section 6)."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from octogym.cluster.workload import DEFAULT_BIT_PER_S, END_ERROR, END_UNAVAILABLE, LinkPlan, RateTable
from tests.reference.events import DOWNLINK, UPLINK, Events
from tests.reference.requests import Request

BIT_NS = 10**9  # bit/s times ns per bit


class Rate:
    """Rate of one link over time: a row of the table from an offset on, times the plan's factor."""

    def __init__(self, plan: LinkPlan, table: RateTable) -> None:
        self.offset = int(plan.offset_ns)
        self.factor_start = [int(t) for t in plan.start_ns]
        self.factor = [int(f) for f in plan.factor_milli]
        self.end_rule = table.end
        self.times = [0]
        self.values = [DEFAULT_BIT_PER_S]
        self.length_ns: int | None = None  # a constant has no end
        if plan.series >= 0:
            n = int(table.length[plan.series])
            self.times = [int(t) for t in table.t_ns[plan.series, :n]]
            self.values = [int(v) for v in table.bit_per_s[plan.series, :n]]
            self.length_ns = int(table.end_ns[plan.series])

    def at(self, time: int) -> int:
        """bit/s in force from `time` on."""
        factor = self.factor[bisect_right(self.factor_start, time) - 1]
        place = self._place(time)
        return 0 if place is None else self.values[bisect_right(self.times, place) - 1] * factor // 1000

    def transmission_end(self, start: int, size_bytes: int) -> int | None:
        """The smallest integer z with integral of the rate over (start, z] >= the message's bits; None = never."""
        need = 8 * size_bytes * BIT_NS
        silent = 0  # ns without any rate, up to now
        while True:
            rate, change = self.at(start), self._next_change(start)
            if rate and (change is None or rate * (change - start) >= need):
                return start + -(-need // rate)
            silent = silent + change - start if change is not None and not rate else 0
            if change is None or silent > self.factor_start[-1] + (self.length_ns or 0):
                return None
            need -= rate * (change - start)
            start = change

    def _place(self, time: int) -> int | None:
        """Where in the row `time` is; None past its end."""
        place = self.offset + time
        if self.length_ns is None or place < self.length_ns:
            return place
        if self.end_rule == END_ERROR:
            raise RuntimeError(f"rate series read at {place} ns, past its end at {self.length_ns} ns")
        return None if self.end_rule == END_UNAVAILABLE else place % self.length_ns

    def _next_change(self, time: int) -> int | None:
        """The first time after `time` at which the rate may differ."""
        changes = [t for t in self.factor_start if t > time][:1]
        place = self._place(time)
        if place is not None and self.length_ns is not None:
            changes.append(time + next((t for t in self.times if t > place), self.length_ns) - place)
        return min(changes, default=None)


@dataclass
class Message:
    """Crops of one image (or a frame) for one target. `joined` numbers messages in the order of joining a Q5."""

    group: int
    target: int
    size_bytes: int
    requests: list[Request]
    queued_ns: int
    joined: int


class Link:
    """What up- and downlink share: one message at a time, its end, and how long the link was busy."""

    KIND = UPLINK

    def __init__(self, device: int, rate: Rate, events: Events, sent: Callable[[int, Message], None]) -> None:
        self.device = device
        self.rate = rate
        self.events = events
        self.sent = sent
        self.message: Message | None = None
        self.counted_to = 0
        self.busy_ns = 0
        self.sent_bytes = 0

    def send(self, start: int, message: Message) -> None:
        self.message = message
        self.counted_to = start
        end = self.rate.transmission_end(start, message.size_bytes)
        if end is not None:
            self.events.at(end, self.KIND, (self.device,), self._end, message)

    def count_busy(self, now: int) -> None:
        """Add the time up to `now`; a downlink's message may begin later only."""
        if self.message is not None and now > self.counted_to:
            self.busy_ns += now - self.counted_to
            self.counted_to = now

    def lose(self, now: int) -> list[Message]:
        """The device leaves: what is being sent is gone."""
        self.count_busy(now)
        lost = [] if self.message is None else [self.message]
        self.message = None
        return lost

    def _end(self, now: int, message: Message) -> None:
        if message is not self.message:
            return
        self.count_busy(now)
        self.sent_bytes += message.size_bytes
        self.message = None
        self.sent(now, message)


class Downlink(Link):
    """First in, first out; messages come with the time at which they reach it."""

    KIND = DOWNLINK

    def __init__(self, device: int, rate: Rate, events: Events, sent: Callable[[int, Message], None]) -> None:
        super().__init__(device, rate, events, sent)
        self.waiting: deque[tuple[int, Message]] = deque()

    def reach(self, time: int, message: Message) -> None:
        """`message` reaches the link at `time`, which may be still to come."""
        self.waiting.append((time, message))
        self.next(time)

    def next(self, now: int) -> None:
        if self.message is None and self.waiting:
            reached, message = self.waiting.popleft()
            self.send(max(now, reached), message)

    def lose(self, now: int) -> list[Message]:
        lost = super().lose(now) + [message for _, message in self.waiting]
        self.waiting.clear()
        return lost
