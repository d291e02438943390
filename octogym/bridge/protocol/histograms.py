"""Cumulative histograms on the wire: only bins that changed since the last observation known to have arrived."""

from __future__ import annotations

from typing import Tuple

import numpy as np

from octogym.bridge.protocol.errors import ProtocolError

#: Most bins of one observation; those left over go with the next.
MAX_BINS = 12_000


class HistogramSender:
    """Node's side. Bins are numbered over the flattened array uint32 [2, S, bins]."""

    def __init__(self, size: int) -> None:
        self._sent = np.zeros(size, np.uint32)
        self._changed = np.zeros(size, np.int64)  # seq of the observation that last had it; 0 = never

    def pack(self, histograms: np.ndarray, seq: int, seen: int) -> Tuple[np.ndarray, np.ndarray]:
        """Index and cumulative count (uint32 [n] both) for observation `seq`, when `seen` is the last that arrived."""
        flat = histograms.reshape(-1)
        self._changed[flat != self._sent] = seq
        self._sent[:] = flat
        index = np.flatnonzero(self._changed > seen)
        if len(index) > MAX_BINS:
            index = index[np.argsort(self._changed[index], kind="stable")]
            self._changed[index[MAX_BINS:]] = seq + 1
            index = index[:MAX_BINS]
        return index.astype(np.uint32), flat[index].astype(np.uint32)

    def forget(self) -> None:
        """The other side knows nothing: every bin that holds something goes again."""
        self._sent[:] = 0
        self._changed[:] = 0


def check_bins(index: np.ndarray, count: np.ndarray, size: int) -> None:
    """Require bins that exist.

    Raises:
        ProtocolError: rule "table".
    """
    if index.shape != count.shape or (len(index) and np.maximum.reduce(index) >= size):
        raise ProtocolError("table", f"hist_index: {len(index)} bins for {len(count)} counts of {size} bins")
