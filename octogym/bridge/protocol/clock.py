"""Time: int64 ns of a monotonic clock that the caller reads. The host's grid, the node's windows, the offset between.

The host owns the grid. A node counts windows on its own clock from the moment that `Start` named, and moves towards
the host's correction: by the first one in full, then a little in each window. The offset between the clocks decides no
deadline.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from operator import attrgetter
from typing import Deque, NamedTuple, Optional

MS = 1_000_000
#: A time that does not come.
NEVER = 2**62
#: Most that a node's windows are moved per window: this, or this share of a period if that is more.
SLEW_NS, SLEW_SHARE = MS, 64
#: Of a period: a node whose windows are further from the host's grid than this is started anew.
PHASE_SHARE = 8


class Steady:
    """A clock that never goes back: where the one below does, the time since its last reading counts as none."""

    def __init__(self) -> None:
        self._below: Optional[int] = None
        self._ahead = 0
        #: The last reading.
        self.last = 0

    def read(self, now_ns: int) -> int:
        if self._below is not None and now_ns < self._below:
            self._ahead += self._below - now_ns
        self._below, self.last = now_ns, now_ns + self._ahead
        return self.last

    def outside(self, time_ns: int) -> int:
        """A time of this clock as the clock below shows it."""
        return time_ns - self._ahead


@dataclass(frozen=True)
class WindowGrid:
    """Window k is [origin + k period, origin + (k + 1) period) of the host's clock."""

    origin_ns: int
    period_ns: int

    def index(self, now_ns: int) -> int:
        return (now_ns - self.origin_ns) // self.period_ns

    def start(self, window: int) -> int:
        return self.origin_ns + window * self.period_ns

    def end(self, window: int) -> int:
        return self.origin_ns + (window + 1) * self.period_ns


class WindowClock:
    """A node's count of windows. `window`: the one it is in; `tick_ns`: when that ends, on the node's clock."""

    def __init__(self, window: int, begins_ns: int, period_ns: int) -> None:
        self.period_ns = period_ns
        self.window, self.tick_ns = window - 1, begins_ns
        self._target: Optional[int] = None
        self._settled = False

    def correct(self, window: int, tick_ns: int) -> None:
        """The host's word: `window` should end at `tick_ns`."""
        self._target = tick_ns - window * self.period_ns

    def advance(self, now_ns: int) -> int:
        """Count on to `now_ns`. Returns how many windows ended."""
        ended = 0
        if now_ns >= self.tick_ns:
            ended = 1 + (now_ns - self.tick_ns) // self.period_ns
            self.window += ended
            self.tick_ns += ended * self.period_ns + self._slew()
        return ended

    def _slew(self) -> int:
        if self._target is None:
            return 0
        behind = self._target - (self.tick_ns - (self.window - 1) * self.period_ns)
        if abs(behind) > self.period_ns // PHASE_SHARE:
            return 0  # the host starts this node anew
        # The first correction takes away what `Start` was late by on its way; from then on windows do not jump.
        most = max(SLEW_NS, self.period_ns // (SLEW_SHARE if self._settled else PHASE_SHARE))
        self._settled = True
        return max(-most, min(most, behind))


class Sample(NamedTuple):
    """One exchange: node's clock minus host's, known to within `bound_ns`."""

    offset_ns: int
    bound_ns: int


_bound = attrgetter("bound_ns")


class OffsetFilter:
    """Offset of the node's clock by the exchange with the shortest round trip among the last (NTP's four stamps)."""

    def __init__(self, samples: int = 16) -> None:
        self._samples: Deque[Sample] = deque(maxlen=samples)
        self.best: Optional[Sample] = None

    def add(self, t1: int, t2: int, t3: int, t4: int) -> Optional[Sample]:
        """Host sends at t1, node receives at t2 and answers at t3, host receives at t4. None: impossible stamps."""
        rtt = (t4 - t1) - (t3 - t2)
        if rtt < 0 or t3 < t2:
            self.clear()  # a clock was set in between
            return None
        sample = Sample(((t2 - t1) + (t3 - t4)) // 2, (rtt + 1) // 2)
        best = self.best
        if best is not None and abs(sample.offset_ns - best.offset_ns) > sample.bound_ns + best.bound_ns + MS:
            self._samples.clear()  # no two clocks drift so fast: one was set
        self._samples.append(sample)
        self.best = min(self._samples, key=_bound)
        return sample

    def clear(self) -> None:
        self._samples.clear()
        self.best = None
