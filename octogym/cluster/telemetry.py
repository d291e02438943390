"""Telemetry: what came back for one window (docs/contract.md, Arrays)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

#: Who set what is in force: the host's decision, the instance's onboard agent, the declared safe setting.
BY_HOST, BY_AGENT, BY_SAFE = 0, 1, 2

#: What is counted per instance, in images; each also as `total_*`.
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
#: How images leave an instance: arrived + in_stage before = the sum of these + in_stage after.
LEAVING = ("completed", "dropped_full", "dropped_late", "failed", "lost")
#: What is counted of each camera's leaf results; each also as `total_*`.
RESULTS = ("generated", "on_time_results", "late", "dropped", "missed", "lost_results")

#: Latency bins: 64 per doubling from 0.1 ms (at most 1.6 % wide), an underflow bin before, an overflow bin after.
BIN_BASE_NS = 100_000
BINS = 1 + 1280 + 1


@lru_cache(maxsize=1)
def latency_bin_edges_ns() -> np.ndarray:
    """float64 [BINS + 1]: bin b holds latencies in [edges[b], edges[b + 1]) ns; first edge 0, last inf."""
    octave, sub = np.divmod(np.arange(BINS - 2), 64)
    inner = BIN_BASE_NS / 64 * (64 + sub) * 2.0**octave
    edges = np.concatenate([[0.0], inner, [BIN_BASE_NS * 2.0**20], [np.inf]])
    edges.setflags(write=False)  # one array for all callers
    return edges


def quantile_ns(histogram: np.ndarray, q: float) -> np.ndarray:
    """Latency quantile(s) of histogram(s) [..., BINS] in ns, float64 [...]; NaN where empty. Exact to the bin's
    width."""
    edges = latency_bin_edges_ns()
    middle = np.concatenate([[BIN_BASE_NS / 2], (edges[1:-2] + edges[2:-1]) / 2, [edges[-2]]])
    total = histogram.sum(-1)
    rank = np.argmax(np.cumsum(histogram, -1) >= (q * total)[..., None], -1)
    return np.where(total > 0, middle[rank], np.nan)


@dataclass
class Telemetry:
    """Struct of arrays of one window; E environments, S instances, D devices, L = 2 D links, C cameras, B latency bins.

    Counters hold the window's counts; `total_*` the same since the reset. Request counters are in images. Latencies
    in ns.
    A `Backend` overwrites the arrays in the next step: `copy()` to keep. Leaf results (`generated` ... `overdue`) are
    counted per
    camera: generated = on_time_results + late + dropped + missed + lost_results + in_flight over the totals.
    """

    t_ns: np.ndarray  # int64 [E], end of the window
    window_ns: np.ndarray  # int64 [E]
    # instances, int64 [E, S]
    arrived: np.ndarray
    executed: np.ndarray  # images whose batch began
    completed: np.ndarray
    on_time: np.ndarray  # completed with the time left that the stages below need (a leaf: within the SLO)
    dropped_full: np.ndarray
    dropped_late: np.ndarray
    dropped_out: np.ndarray  # crops dropped from the send queue (Q5), after completion here
    failed: np.ndarray
    lost: np.ndarray
    total_arrived: np.ndarray
    total_executed: np.ndarray
    total_completed: np.ndarray
    total_on_time: np.ndarray
    total_dropped_full: np.ndarray
    total_dropped_late: np.ndarray
    total_dropped_out: np.ndarray
    total_failed: np.ndarray
    total_lost: np.ndarray
    in_stage: np.ndarray  # images between receiver and end of post-processing
    local_latency_ns: np.ndarray  # weighted average of fcpo spec 3.2; 0 = no sample
    queue: np.ndarray  # int32 [E, S, 5]: Q1 to Q5
    latency_hist: np.ndarray  # uint32 [E, S, B], receiver to end of post-processing
    leaf_hist: np.ndarray  # uint32 [E, S, B], frame to result, of results that end here
    # settings in force in the window
    active: np.ndarray  # int8 [E, S]
    pack: np.ndarray  # int32 [E, S]
    batch: np.ndarray
    pre: np.ndarray
    post: np.ndarray
    requested_pre: np.ndarray  # int32 [E, S]: a thread change applies when it is requested twice in a row
    requested_post: np.ndarray
    timeout_ns: np.ndarray  # int64 [E, S]
    set_by: np.ndarray  # int8 [E, S]
    share_milli: np.ndarray  # uint16 [E, R]
    # devices and links
    present: np.ndarray  # int8 [E, D]
    gpu_busy_ns: np.ndarray  # int64 [E, D], summed over the device's GPUs
    cpu_threads: np.ndarray  # int32 [E, D], configured threads of active instances
    bandwidth_bps: np.ndarray  # int64 [E, L], at the window's end
    sent_bytes: np.ndarray  # int64 [E, L]
    link_busy_ns: np.ndarray  # int64 [E, L]
    # cameras: int64 [E, C]
    frames: np.ndarray
    objects: np.ndarray
    generated: np.ndarray
    on_time_results: np.ndarray
    late: np.ndarray
    dropped: np.ndarray
    missed: np.ndarray
    lost_results: np.ndarray
    total_generated: np.ndarray
    total_on_time_results: np.ndarray
    total_late: np.ndarray
    total_dropped: np.ndarray
    total_missed: np.ndarray
    total_lost_results: np.ndarray
    in_flight: np.ndarray
    overdue: np.ndarray  # of in_flight, past the SLO
    # validity: instances' rows as received
    valid: np.ndarray  # int8 [E, S]
    age_ns: np.ndarray  # int64 [E, S]

    def copy(self) -> Telemetry:
        return Telemetry(*[getattr(self, f.name).copy() for f in fields(self)])
