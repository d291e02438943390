"""What a device has counted since the host's reset, over lost observations and restarts of the device."""

from __future__ import annotations

from collections import deque
from typing import Deque, Dict, NamedTuple, Optional

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.rows import COUNTERS, CUMULATIVE, HELD, RESULTS, SPARSE, STATE, ObsRows

#: Observations kept until the owner asks for their windows; older ones are counted in before.
MAX_PENDING = 16

_LOST, _LOST_RESULTS = COUNTERS.index("lost"), RESULTS.index("lost_results")
_IN_STAGE, _IN_FLIGHT, _OVERDUE = STATE.index("in_stage"), HELD.index("in_flight"), HELD.index("overdue")


class _Entry(NamedTuple):
    window: int
    arrays: Optional[Dict[str, np.ndarray]]  # None: the device lost its state


class Ledger:
    """Turns a device's cumulative counts into the episode's.

    A device that loses its state counts from zero again. What it was last known to hold then counts as lost, so that
    contract.md's identity keeps holding; what it did after its last observation is never known.
    """

    def __init__(self, deployment: Deployment) -> None:
        #: The episode so far, up to the last window asked for; overwritten by `fold`.
        self.totals = ObsRows.zeros(deployment)
        self._base = {name: np.zeros_like(getattr(self.totals, name)) for name in (*CUMULATIVE, "histograms")}
        self._histograms = np.zeros_like(self.totals.histograms)
        self._pending: Deque[_Entry] = deque()

    def add(self, window: int, arrays: Dict[str, np.ndarray]) -> None:
        """An observation; its arrays are kept until folded."""
        self._push(_Entry(window, arrays))

    def died(self) -> None:
        """The device has lost its state: it counts from zero again."""
        self._push(_Entry(self._pending[-1].window if self._pending else -1, None))

    def fold(self, window: int) -> ObsRows:
        """The episode up to the newest observation of `window` or before."""
        while self._pending and self._pending[0].window <= window:
            self._take(self._pending.popleft())
        return self.totals

    def _push(self, entry: _Entry) -> None:
        if len(self._pending) == MAX_PENDING:
            self._take(self._pending.popleft())
        self._pending.append(entry)

    def _take(self, entry: _Entry) -> None:
        totals, base = self.totals, self._base
        if entry.arrays is None:
            totals.counters[_LOST] += totals.state[_IN_STAGE]
            totals.results[_LOST_RESULTS] += totals.held[_IN_FLIGHT]
            totals.state[_IN_STAGE] = 0
            totals.held[_IN_FLIGHT] = totals.held[_OVERDUE] = 0
            totals.queue[:] = 0
            self._histograms[:] = 0
            for name, array in base.items():
                array[:] = getattr(totals, name)
            return
        for name, array in entry.arrays.items():
            if name in CUMULATIVE:
                np.add(array, base[name], out=getattr(totals, name))
            elif name not in SPARSE:
                getattr(totals, name)[...] = array
        index = entry.arrays["hist_index"].astype(np.intp)
        if len(index):
            count = entry.arrays["hist_count"]
            self._histograms.reshape(-1)[index] = count
            totals.histograms.reshape(-1)[index] = count + base["histograms"].reshape(-1)[index]
