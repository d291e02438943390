"""When the host pings whom."""

from __future__ import annotations

from collections import deque
from typing import Callable, Collection, Deque, List

from octogym.bridge.protocol.clock import PHASE_SHARE, WindowGrid
from octogym.bridge.protocol.record import Record


class Beat:
    """All devices after each tick, and one after the other in the third quarter of each window.

    After a tick everybody's news of the window that has ended comes first, which a step waits for. In the third quarter
    they are asked one by one because what waits behind others on its way there, but not on its way back, tells the
    clocks' offset wrong by half of the wait.
    """

    def __init__(self, grid: WindowGrid) -> None:
        self._grid = grid
        self._ticked = self._asked = -1  # windows
        self._left: Deque[Record] = deque()
        self._pace_ns = 0
        #: When one of the two below is to be called at the latest.
        self.next_ns = grid.origin_ns

    def everybody(self, now: int, complete: Callable[[int], bool]) -> bool:
        """Whether all are to be pinged now: once per window. `complete`: whether all have told of one."""
        grid, window = self._grid, self._grid.index(now)
        if window <= self._ticked:
            return False
        due_ns = grid.start(window) + grid.period_ns // PHASE_SHARE
        if now < due_ns and not complete(window - 1):
            # Until then it is the devices' word that brings the owner here.
            self.next_ns = due_ns
            return False
        self._ticked = window
        self._left.clear()
        self.next_ns = self._middle(window)
        return True

    def some(self, now: int, records: Collection[Record]) -> List[Record]:
        """Those of `records` whose turn it is; to be called after `everybody`."""
        window, found = self._grid.index(now), []
        if self._asked < window == self._ticked and now >= self._middle(window):
            self._asked = window
            self._left.extend(records)
            self._pace_ns = self._grid.period_ns // 4 // max(1, len(records))
            self.next_ns = self._middle(window)
        while self._left and now >= self.next_ns:
            found.append(self._left.popleft())
            self.next_ns += self._pace_ns
        if self._asked == window and not self._left:
            self.next_ns = self._grid.end(window) + self._grid.period_ns // PHASE_SHARE
        return found

    def _middle(self, window: int) -> int:
        return self._grid.start(window) + self._grid.period_ns // 2
