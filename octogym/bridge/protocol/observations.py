"""What a node knows of itself at a tick: one piece of memory, which is also the payload frame's beginning."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Dict, List, NamedTuple, Tuple

import numpy as np
from msgspec import Raw

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.histograms import check_bins
from octogym.bridge.protocol.messages import Table
from octogym.bridge.protocol.rows import CUMULATIVE, SPARSE, obs_layout
from octogym.bridge.protocol.tables import ALIGN, DTYPES, decode_tables, encode_tables, expect, unpack

_BIN = DTYPES["uint32"]


class Observed(NamedTuple):
    """What an Obs holds, checked."""

    fixed: np.ndarray  # uint8 [size], as ObsRows.memory
    bins: np.ndarray  # uint32 [n], those that have changed
    counts: np.ndarray  # uint32 [n], of these bins


class ObsLayout:
    """Where the arrays of a deployment's observations stand.

    All but the histograms have one size for a deployment: `spans` says at which byte each begins, of `size` bytes in
    all. `counted` int64 at the beginning are those that count on.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._layout = obs_layout(deployment)
        self.spans: Dict[str, Tuple[int, np.dtype, Tuple[int, ...]]] = {}
        tables: List[Table] = []
        self.size = self.counted = 0
        for name, (dtype, shape) in self._layout.items():
            if name in SPARSE:
                continue
            sizes, kind = tuple(n or 0 for n in shape), DTYPES[dtype]
            self.spans[name] = (self.size, kind, sizes)
            tables.append(Table(name, dtype, list(sizes)))
            self.size += _aligned(math.prod(sizes) * kind.itemsize)
            if name in CUMULATIVE:
                self.counted = self.size // 8
        self._head = bytes(encode_tables([*tables, *_sparse_tables(0)]))[: -len(_tail(0))]
        self.instances, self.bins = len(deployment.instances), deployment.bins

    @property
    def histogram_size(self) -> int:
        """Bins of both histograms of all instances."""
        return 2 * self.instances * self.bins

    def write(self, rows: ObsRows, index: np.ndarray, count: np.ndarray) -> Tuple[Raw, bytes]:
        """Tables and payload frame of an Obs with these bins."""
        n, gap = len(index), bytes(_aligned(4 * len(index)) - 4 * len(index))
        payload = b"".join((rows.memory.tobytes(), index.tobytes(), gap, count.tobytes(), gap))
        return Raw(self._head + _tail(n)), payload

    def read(self, tables: Raw, payload: bytes) -> Observed:
        """What an Obs holds, as views of `payload`. Arrays may stand in any order, others between them.

        Raises:
            ProtocolError: rules "table", "bytes", "finite".
        """
        n = self._bins_of(bytes(tables), len(payload))
        if n >= 0:
            fixed, at = np.frombuffer(payload, np.uint8, self.size), self.size
            index, count = np.frombuffer(payload, _BIN, n, at), np.frombuffer(payload, _BIN, n, at + _aligned(4 * n))
            found = Observed(fixed, index, count)
        else:
            arrays = unpack(decode_tables(tables), payload)
            expect(arrays, self._layout)
            rows = ObsRows(self)
            for name in self.spans:
                getattr(rows, name)[...] = arrays[name]
            found = Observed(rows.memory, arrays["hist_index"], arrays["hist_count"])
        check_bins(found.bins, found.counts, self.histogram_size)
        return found

    def _bins_of(self, tables: bytes, size: int) -> int:
        """How many bins a payload of `size` bytes has whose tables are those of this layout, as `write` has them; else
        -1."""
        head = self._head
        if tables.startswith(head):
            most = (size - self.size) // 2 // 4
            for n in (most, most - 1):
                if n >= 0 and self.size + 2 * _aligned(4 * n) == size and tables[len(head) :] == _tail(n):
                    return n
        return -1


class ObsRows:
    """Everything a node knows of itself at a tick. S instances, R routes, C cameras of the device, A cameras
    whose results may end there.

    Its arrays are views of `memory` (uint8 [layout.size]), and the histograms beside it: write into them.
    """

    counters: np.ndarray  # int64 [9, S], COUNTERS
    device_counters: np.ndarray  # int64 [5], DEVICE_COUNTERS
    cameras: np.ndarray  # int64 [2, C], CAMERAS
    results: np.ndarray  # int64 [6, A], RESULTS
    state: np.ndarray  # int64 [3, S], STATE
    device: np.ndarray  # int64 [7], DEVICE
    held: np.ndarray  # int64 [2, A], HELD
    in_force: np.ndarray  # int32 [6, S], IN_FORCE
    queue: np.ndarray  # int32 [S, 5]
    share_milli: np.ndarray  # uint16 [R]
    flags: np.ndarray  # int8 [3, S], FLAGS

    def __init__(self, layout: ObsLayout) -> None:
        self.layout, self.memory = layout, np.zeros(layout.size, np.uint8)
        for name, (at, dtype, shape) in layout.spans.items():
            size = math.prod(shape) * dtype.itemsize
            setattr(self, name, self.memory[at : at + size].view(dtype).reshape(shape))
        #: int64 [layout.counted]: all that counts on, but the histograms.
        self.counted = self.memory.view(np.int64)[: layout.counted]
        #: uint32 [2, S, bins], cumulative: receiver to end of post-processing; frame to result.
        self.histograms = np.zeros((2, layout.instances, layout.bins), np.uint32)

    @classmethod
    def zeros(cls, deployment: Deployment) -> ObsRows:
        return cls(ObsLayout(deployment))

    def copy(self) -> ObsRows:
        found = ObsRows(self.layout)
        found.memory[:], found.histograms[:] = self.memory, self.histograms
        return found


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


@lru_cache(maxsize=1024)
def _tail(n: int) -> bytes:
    """The tables of `n` bins as they end those of an Obs."""
    return b"".join(bytes(encode_tables([table]))[1:] for table in _sparse_tables(n))


def _sparse_tables(n: int) -> Tuple[Table, Table]:
    return Table(SPARSE[0], "uint32", [n]), Table(SPARSE[1], "uint32", [n])
