"""The event list: by time, then class, then index, as section 2.4 of the contract orders them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

# Classes of events at one time, first to last. A timer comes after the frames that complete at its time.
PRE, TIMER, POST, INFERENCE, UPLINK, DOWNLINK, FRAME, BATCH = range(8)


class Events:
    def __init__(self) -> None:
        self._heap: list[tuple[Any, ...]] = []
        self._serial = count()

    def at(self, time: int, kind: int, index: tuple[int, ...], handler: Callable[..., None], *args: object) -> None:
        """`handler(time, *args)` at `time`; `index` orders events of one kind at one time."""
        heapq.heappush(self._heap, (time, kind, index, next(self._serial), handler, args))

    def run_until(self, end: int) -> None:
        """Handle every event with time <= `end`, those that arise on the way included."""
        while self._heap and self._heap[0][0] <= end:
            time, _, _, _, handler, args = heapq.heappop(self._heap)
            handler(time, *args)
