"""Shapes and types of telemetry, as `octogym.cluster.telemetry` documents them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from octogym.cluster.telemetry import BINS, RESULTS, Telemetry
from octogym.cluster.topology import Cluster

_SETTINGS = ("pack", "batch", "pre", "post", "requested_pre", "requested_post")
_CAMERAS = ("frames", "objects", *RESULTS, *("total_" + name for name in RESULTS), "in_flight", "overdue")
_DEVICES = {"present": np.int8, "gpu_busy_ns": np.int64, "cpu_threads": np.int32}


def layout(cluster: Cluster, num_envs: int) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Field -> (shape, dtype)."""
    E, S = num_envs, cluster.S
    made: dict[str, tuple[tuple[int, ...], type]] = {field.name: ((E, S), np.int64) for field in fields(Telemetry)}
    made.update(dict.fromkeys(("t_ns", "window_ns"), ((E,), np.int64)))
    made["queue"] = ((E, S, 5), np.int32)
    made.update(dict.fromkeys(("latency_hist", "leaf_hist"), ((E, S, BINS), np.uint32)))
    made.update(dict.fromkeys(_SETTINGS, ((E, S), np.int32)))
    made.update(dict.fromkeys(("active", "set_by", "valid"), ((E, S), np.int8)))
    made["share_milli"] = ((E, cluster.R), np.uint16)
    made.update({name: ((E, cluster.D), kind) for name, kind in _DEVICES.items()})
    made.update(dict.fromkeys(("bandwidth_bps", "sent_bytes", "link_busy_ns"), ((E, cluster.L), np.int64)))
    made.update(dict.fromkeys(_CAMERAS, ((E, cluster.C), np.int64)))
    return {name: (shape, np.dtype(kind)) for name, (shape, kind) in made.items()}


def zeros(cluster: Cluster, num_envs: int = 1) -> Telemetry:
    """Telemetry in which nothing is and nothing was."""
    return Telemetry(**{name: np.zeros(shape, kind) for name, (shape, kind) in layout(cluster, num_envs).items()})
