"""What a decision and an observation hold for one device: rows in the order of its deployment, and their tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.tables import Shape
from octogym.cluster import telemetry
from octogym.cluster.settings import KEEP, KEEP_SHARE

#: Rows of `DecisionRows.settings`.
SETTINGS = ("active", "pack", "batch", "pre", "post")
#: Rows of an observation's `counters`, in images, cumulative since the last Reset: telemetry's, in its order.
COUNTERS = telemetry.COUNTERS
#: Rows of an observation's `state`: now, and the average of the window.
STATE = ("in_stage", "local_latency_ns", "timeout_ns")
#: Rows of an observation's `in_force`.
IN_FORCE = ("pack", "batch", "pre", "post", "requested_pre", "requested_post")
#: Rows of an observation's `flags`. `fault`: 0 none, 1 stuck (no progress with work at hand), 2 the engine failed.
FLAGS = ("active", "set_by", "fault")
#: An observation's `device_counters`, cumulative since the last Reset.
DEVICE_COUNTERS = ("gpu_busy_ns", "up_bytes", "down_bytes", "up_busy_ns", "down_busy_ns")
#: An observation's `device`, now; -1 = not known.
DEVICE = ("cpu_threads", "up_bps", "down_bps", "memory_bytes", "power_mw", "temperature_mc", "throttled")
#: Rows of an observation's `cameras` (this device's), cumulative.
CAMERAS = ("frames", "objects")
#: Rows of an observation's `results`, cumulative: what this device has added for each camera of its deployment's
#: `results`.
RESULTS = telemetry.RESULTS
#: Rows of an observation's `held`: results of each of these cameras in this device now, and those past the SLO.
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


#: Arrays that count on since the Reset, and so lose nothing when an observation is lost. All int64.
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
    """Tables of an Obs: first those that count on, then by the size of their items."""
    s, a = len(deployment.instances), len(deployment.results)
    return {
        "counters": ("int64", (len(COUNTERS), s)),
        "device_counters": ("int64", (len(DEVICE_COUNTERS),)),
        "cameras": ("int64", (len(CAMERAS), len(deployment.cameras))),
        "results": ("int64", (len(RESULTS), a)),
        "state": ("int64", (len(STATE), s)),
        "device": ("int64", (len(DEVICE),)),
        "held": ("int64", (len(HELD), a)),
        "in_force": ("int32", (len(IN_FORCE), s)),
        "queue": ("int32", (s, 5)),
        "share_milli": ("uint16", (len(deployment.routes),)),
        "flags": ("int8", (len(FLAGS), s)),
        "hist_index": ("uint32", (None,)),
        "hist_count": ("uint32", (None,)),
    }
