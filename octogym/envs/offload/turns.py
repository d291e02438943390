"""When the next decision about offloading is due."""

from __future__ import annotations

import numpy as np

#: Seconds that a decision stands at most, and before an overload may end it.
STEP_S, COOL_DOWN_S = 15.0, 3.0
#: (heavy bool [E, M]: nodes whose load is above their capacity; deep bool [E, ...]: long queues).
Overload = tuple[np.ndarray, np.ndarray]


class Turns:
    """A decision stands for 15 s, or until an overload that was not there when it was taken, but at least for 3 s.

    `passed` int64 [E]: windows since the decision; `longest`: those that it stands at most.
    """

    def __init__(self, num_envs: int, period_ns: int, interrupt: bool) -> None:
        self.longest = max(1, round(STEP_S * 1e9 / period_ns))
        self._cool_down = max(1, round(COOL_DOWN_S * 1e9 / period_ns))
        self._interrupt = interrupt
        self.passed = np.zeros(num_envs, np.int64)
        self._at: Overload | None = None

    def begin(self, overload: Overload) -> None:
        """A decision is taken in all environments."""
        self.passed[:] = 0
        self._at = overload

    def end(self, running: np.ndarray, over: np.ndarray, overload: Overload) -> tuple[np.ndarray, np.ndarray]:
        """After a window of the environments `running` bool [E]: which of them need a decision (or are `over`), and
        which of those because of an overload; bool [E] both."""
        self.passed += running
        stop = running & (over | (self.passed >= self.longest))
        if not self._interrupt:
            return stop, np.zeros_like(stop)
        assert self._at is not None
        new = [now & ~before for now, before in zip(overload, self._at, strict=True)]
        found = new[0].any(1) | new[1].reshape(len(new[1]), -1).any(1)
        interrupted = running & ~stop & found & (self.passed >= self._cool_down)
        return stop | interrupted, interrupted
