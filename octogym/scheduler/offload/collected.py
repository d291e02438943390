"""What a running loop keeps to learn from: loads, links and who was there, one sample per second."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Samples that are kept at most, 4 hours (ours; 48 hours of a thousand nodes would be 2 GB).
KEEP = 4 * 3600
_FIRST_ROOM = 256


class Recent(NamedTuple):
    """The last T samples of M nodes: `load` float64 [T, M] objects per frame, `there` bool [T, M], `up_bps` and
    `down_bps` float64 [T, M]."""

    load: np.ndarray
    there: np.ndarray
    up_bps: np.ndarray
    down_bps: np.ndarray


class Collected:
    """Samples of one cluster, the last `KEEP` of them. Room grows with what is kept."""

    def __init__(self, nodes: int, keep: int = KEEP) -> None:
        self._keep = keep
        self._kept = np.zeros((min(_FIRST_ROOM, keep), 4, nodes), np.float32)
        self._count = 0

    def __len__(self) -> int:
        return min(self._count, self._keep)

    def push(self, load: np.ndarray, there: np.ndarray, up_bps: np.ndarray, down_bps: np.ndarray) -> None:
        """Take one sample, each [M]; the load of nodes that are not there counts as 0."""
        room = len(self._kept)
        if self._count == room < self._keep:
            more = np.zeros((min(room, self._keep - room), *self._kept.shape[1:]), np.float32)
            self._kept = np.concatenate([self._kept, more])
        self._kept[self._count % len(self._kept)] = (np.where(there, load, 0.0), there, up_bps, down_bps)
        self._count += 1

    def recent(self, samples: int) -> Recent:
        """Copies of the last ``samples`` (fewer if there are not so many), oldest first."""
        at = np.arange(self._count - min(samples, len(self)), self._count) % len(self._kept)
        load, there, up, down = self._kept[at].astype(np.float64).transpose(1, 0, 2)
        return Recent(load, there > 0, up, down)


class Site(NamedTuple):
    """What does not change with time, as in a `Sample`: names [M], capacity, servers, crop_bytes [M], latency_s."""

    names: tuple[str, ...]
    capacity: np.ndarray
    servers: np.ndarray
    crop_bytes: np.ndarray
    latency_s: float
