"""What a device has counted since the host's reset, over lost observations and restarts of the device."""

from __future__ import annotations

from collections import deque
from typing import Deque, List, NamedTuple, Optional, Tuple

import numpy as np

from octogym.bridge.protocol.observations import Observed, ObsLayout, ObsRows
from octogym.bridge.protocol.rows import COUNTERS, HELD, RESULTS, STATE

#: Observations kept until the owner asks for their windows; older ones are counted in before.
MAX_PENDING = 16
NO_BINS = np.zeros(0, np.intp)

_LOST, _LOST_RESULTS = COUNTERS.index("lost"), RESULTS.index("lost_results")
_IN_STAGE, _IN_FLIGHT, _OVERDUE = STATE.index("in_stage"), HELD.index("in_flight"), HELD.index("overdue")


class _Entry(NamedTuple):
    window: int
    observed: Optional[Observed]  # None: the device lost its state


class Ledger:
    """Turns a device's cumulative counts into the episode's.

    A device that loses its state counts from zero again. What it was last known to hold then counts as lost, so that
    contract.md's identity keeps holding; what it did after its last observation is never known.
    """

    def __init__(self, layout: ObsLayout) -> None:
        #: The episode so far, up to the last window asked for; overwritten by `fold`.
        self.totals = ObsRows(layout)
        self._bins = self.totals.histograms.reshape(-1)
        # What processes that are dead had counted; None: there was none.
        self._base: Optional[Tuple[np.ndarray, np.ndarray]] = None
        self._changed: List[np.ndarray] = []
        self._pending: Deque[_Entry] = deque()

    def add(self, window: int, observed: Observed) -> None:
        """An observation; its arrays are kept until folded."""
        self._push(_Entry(window, observed))

    def died(self) -> None:
        """The device has lost its state: it counts from zero again."""
        self._push(_Entry(self._pending[-1].window if self._pending else -1, None))

    def fold(self, window: int) -> Tuple[ObsRows, np.ndarray]:
        """The episode up to the newest observation of `window` or before; and the bins of its histograms (intp [n], in
        one row) that have changed since the last call."""
        while self._pending and self._pending[0].window <= window:
            self._take(self._pending.popleft())
        changed = self._changed
        if not changed:
            return self.totals, NO_BINS
        self._changed = []
        return self.totals, changed[0] if len(changed) == 1 else np.unique(np.concatenate(changed))

    def _push(self, entry: _Entry) -> None:
        if len(self._pending) == MAX_PENDING:
            self._take(self._pending.popleft())
        self._pending.append(entry)

    def _take(self, entry: _Entry) -> None:
        totals, observed = self.totals, entry.observed
        if observed is None:
            totals.counters[_LOST] += totals.state[_IN_STAGE]
            totals.results[_LOST_RESULTS] += totals.held[_IN_FLIGHT]
            totals.state[_IN_STAGE] = 0
            totals.held[_IN_FLIGHT] = totals.held[_OVERDUE] = 0
            totals.queue[:] = 0
            self._base = totals.counted.copy(), self._bins.copy()
            return
        totals.memory[:] = observed.fixed
        index, count = observed.bins.astype(np.intp), observed.counts
        if self._base is not None:
            totals.counted += self._base[0]
            count = count + self._base[1][index]
        if len(index):
            self._bins[index] = count
            self._changed.append(index)
            if len(self._changed) > MAX_PENDING:
                self._changed = [np.unique(np.concatenate(self._changed))]
