"""What drives one episode: tables of trace values shared by all environments, and one plan per environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

import numpy as np

#: What happens when a series is read past its end.
END_UNAVAILABLE, END_LOOP, END_ERROR = 0, 1, 2
#: Downlinks (and uplinks without a trace) have this rate, bit/s.
DEFAULT_BIT_PER_S = 1_000_000_000


@dataclass(frozen=True)
class CountTable:
    """Objects per frame. Sample of frame k of a camera: `offset + (k * rate_milli_hz) // fps_milli_hz`, that is every
    n-th value of
    a per-frame series and the held value of a per-second one."""

    names: Tuple[str, ...]
    counts: np.ndarray  # int16 [N, classes, T]; -1 = stream unavailable
    length: np.ndarray  # int64 [N], samples
    rate_milli_hz: np.ndarray  # int64 [N]
    end: int = END_LOOP


@dataclass(frozen=True)
class RateTable:
    """Link rates, piecewise constant: row n is `bit_per_s[n, j]` from `t_ns[n, j]` on, for j < length[n], until
    `end_ns[n]`."""

    names: Tuple[str, ...]
    t_ns: np.ndarray  # int64 [N, T], first 0
    bit_per_s: np.ndarray  # int64 [N, T]; 0 = outage
    length: np.ndarray  # int64 [N]
    end_ns: np.ndarray  # int64 [N]
    end: int = END_LOOP


@dataclass(frozen=True)
class CameraPlan:
    """Segments of one camera's episode, by ascending start (first 0). series -1 = off: no frames."""

    start_ns: np.ndarray  # int64 [K]
    series: np.ndarray  # int32 [K], row of the CountTable
    offset: np.ndarray  # int64 [K], samples
    factor_milli: np.ndarray  # int32 [K], 1000 = the trace's own counts


@dataclass(frozen=True)
class LinkPlan:
    """One link: a row of the RateTable (-1 = DEFAULT_BIT_PER_S) read from `offset_ns`, times a factor by segments (0
    = outage)."""

    series: int
    offset_ns: int
    start_ns: np.ndarray  # int64 [K], first 0
    factor_milli: np.ndarray  # int32 [K]


@dataclass(frozen=True)
class WorkloadPlan:
    """The workload of one environment's episode, drawn from its seed; nothing in it depends on decisions."""

    cameras: Tuple[CameraPlan, ...]
    links: Tuple[LinkPlan, ...]  # [2 D]: uplinks, then downlinks
    absent_ns: Tuple[np.ndarray, ...]  # per device int64 [K, 2]: [leaves, returns), multiples of the period
