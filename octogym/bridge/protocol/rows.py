"""What a decision and an observation hold for one device: rows in the order of its deployment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Dict, Tuple

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.tables import Shape, expect
from octogym.cluster.settings import DEADLINE, KEEP, KEEP_SHARE, MAX_THREADS

#: Rows of `DecisionRows.settings`.
SETTINGS = ("active", "pack", "batch", "pre", "post")
#: Rows of `ObsRows.counters`, in images, cumulative since the last Reset.
COUNTERS = (
    "arrived",
    "executed",
    "completed",
    "on_time",
    "dropped_full",
    "dropped_late",
    "dropped_out",
    "failed",
    "lost",
)
#: Rows of `ObsRows.state`: now, and the average of the window.
STATE = ("in_stage", "local_latency_ns", "timeout_ns")
#: Rows of `ObsRows.in_force`.
IN_FORCE = ("pack", "batch", "pre", "post", "requested_pre", "requested_post")
#: Rows of `ObsRows.flags`. `fault`: 0 none, 1 stuck (no progress with work at hand), 2 the engine failed.
FLAGS = ("active", "set_by", "fault")
#: `ObsRows.device_counters`, cumulative since the last Reset.
DEVICE_COUNTERS = ("gpu_busy_ns", "up_bytes", "down_bytes", "up_busy_ns", "down_busy_ns")
#: `ObsRows.device`, now; -1 = not known.
DEVICE = ("cpu_threads", "up_bps", "down_bps", "memory_bytes", "power_mw", "temperature_mc", "throttled")
#: Rows of `ObsRows.cameras` (this device's), cumulative.
CAMERAS = ("frames", "objects")
#: Rows of `ObsRows.results`, cumulative: what this device has added for each camera of the cluster.
RESULTS = ("generated", "on_time_results", "late", "dropped", "missed", "lost_results")
#: Rows of `ObsRows.held`: results of each camera of the cluster that this device holds now, and those past the SLO.
HELD = ("in_flight", "overdue")

Layout = Dict[str, Tuple[str, Shape]]


@dataclass
class DecisionRows:
    """`KEEP` (-1; 65535 for a share) keeps what is in force."""

    settings: np.ndarray  # int32 [5, S]
    timeout_ns: np.ndarray  # int64 [S]; 0 none, -2 deadline batching
    share_milli: np.ndarray  # uint16 [R]

    @classmethod
    def keep(cls, deployment: Deployment) -> DecisionRows:
        s, r = len(deployment.instances), len(deployment.routes)
        return cls(
            np.full((len(SETTINGS), s), KEEP, np.int32),
            np.full(s, KEEP, np.int64),
            np.full(r, KEEP_SHARE, np.uint16),
        )

    def copy(self) -> DecisionRows:
        return DecisionRows(self.settings.copy(), self.timeout_ns.copy(), self.share_milli.copy())

    def stated(self) -> np.ndarray:
        """bool [S]: instances of which pack, batch, pre, post or timeout is set."""
        return (self.settings[1:] != KEEP).any(0) | (self.timeout_ns != KEEP)


@dataclass
class ObsRows:
    """Everything a node knows of itself at a tick. S instances, R routes, C cameras of the device, A of the cluster."""

    counters: np.ndarray  # int64 [9, S], COUNTERS
    state: np.ndarray  # int64 [3, S], STATE
    in_force: np.ndarray  # int32 [6, S], IN_FORCE
    queue: np.ndarray  # int32 [S, 5]
    flags: np.ndarray  # int8 [3, S], FLAGS
    share_milli: np.ndarray  # uint16 [R]
    device_counters: np.ndarray  # int64 [5], DEVICE_COUNTERS
    device: np.ndarray  # int64 [7], DEVICE
    cameras: np.ndarray  # int64 [2, C], CAMERAS
    results: np.ndarray  # int64 [6, A], RESULTS
    held: np.ndarray  # int64 [2, A], HELD
    histograms: np.ndarray  # uint32 [2, S, bins], cumulative: receiver to end of post-processing; frame to result

    @classmethod
    def zeros(cls, deployment: Deployment) -> ObsRows:
        layout = {name: entry for name, entry in obs_layout(deployment).items() if name not in SPARSE}
        arrays = {name: np.zeros(tuple(n or 0 for n in shape), dtype) for name, (dtype, shape) in layout.items()}
        return cls(histograms=np.zeros((2, len(deployment.instances), deployment.bins), np.uint32), **arrays)

    def copy(self) -> ObsRows:
        return ObsRows(*[getattr(self, f.name).copy() for f in fields(self)])


#: Arrays that count on since the Reset, and so lose nothing when an observation is lost.
CUMULATIVE = ("counters", "device_counters", "cameras", "results")
#: How `histograms` travels (octogym.bridge.protocol.histograms).
SPARSE = ("hist_index", "hist_count")


def act_layout(deployment: Deployment) -> Layout:
    """Tables of an Act."""
    s = len(deployment.instances)
    return {
        "settings": ("int32", (len(SETTINGS), s)),
        "timeout_ns": ("int64", (s,)),
        "share_milli": ("uint16", (len(deployment.routes),)),
    }


def obs_layout(deployment: Deployment) -> Layout:
    """Tables of an Obs."""
    s, a = len(deployment.instances), len(deployment.results)
    return {
        "counters": ("int64", (len(COUNTERS), s)),
        "state": ("int64", (len(STATE), s)),
        "in_force": ("int32", (len(IN_FORCE), s)),
        "queue": ("int32", (s, 5)),
        "flags": ("int8", (len(FLAGS), s)),
        "share_milli": ("uint16", (len(deployment.routes),)),
        "device_counters": ("int64", (len(DEVICE_COUNTERS),)),
        "device": ("int64", (len(DEVICE),)),
        "cameras": ("int64", (len(CAMERAS), len(deployment.cameras))),
        "results": ("int64", (len(RESULTS), a)),
        "held": ("int64", (len(HELD), a)),
        "hist_index": ("uint32", (None,)),
        "hist_count": ("uint32", (None,)),
    }


class DecisionReader:
    """Takes decisions of one deployment out of an Act's tables."""

    def __init__(self, deployment: Deployment) -> None:
        self._layout = act_layout(deployment)
        self._ids = [spec.id for spec in deployment.instances]
        most = [[1, spec.max_pack, spec.max_batch, MAX_THREADS, MAX_THREADS] for spec in deployment.instances]
        self._most = np.array(most, np.int64).reshape(-1, len(SETTINGS)).T
        self._least = np.array([[0], [1], [1], [1], [1]], np.int64)
        names: Dict[int, int] = {}
        self._group = np.array([names.setdefault(spec.group, len(names)) for spec in deployment.routes], np.intp)
        self._size = np.bincount(self._group, minlength=len(names))

    def read(self, arrays: Dict[str, np.ndarray]) -> DecisionRows:
        """The decision, as views of `arrays`.

        Raises:
            ProtocolError: a table is missing or misshapen (rule "table"), or a value is out of range (rule "field").
        """
        expect(arrays, self._layout)
        rows = DecisionRows(*[arrays[name] for name in self._layout])
        value = rows.settings
        bad = ((value < self._least) | (value > self._most)) & (value != KEEP)
        if bad.any():
            k, s = (int(x[0]) for x in np.nonzero(bad))
            allowed = f"-1, or {self._least[k, 0]} to {self._most[k, s]}"
            raise ProtocolError("field", f"{self._ids[s]}: {SETTINGS[k]} = {value[k, s]}; allowed: {allowed}")
        if (rows.timeout_ns < DEADLINE).any():
            s = int(np.argmin(rows.timeout_ns))
            raise ProtocolError("field", f"{self._ids[s]}: timeout_ns = {rows.timeout_ns[s]}; allowed: -2 or more")
        kept = rows.share_milli == KEEP_SHARE
        keeps = np.bincount(self._group, kept, len(self._size))
        sums = np.bincount(self._group, np.where(kept, 0, rows.share_milli), len(self._size))
        wrong = (keeps != self._size) & ((keeps != 0) | (sums != 1000))
        if wrong.any():
            total = int(sums[int(np.argmax(wrong))])
            raise ProtocolError("field", f"shares of a group sum to {total}; allowed: 1000, or {KEEP_SHARE} for each")
        return rows
