"""The three views of a cluster that the model reads, and the edges along which it may offload.

OctoCross section 3.1 names the views and gives no formula; these are ours. All are float64 [N, N] in [0, 1] with a zero
diagonal: physical (do loads at i come to j a little later), network (how fast does i reach j), resource (has j room).
"""

from __future__ import annotations

import numpy as np

from octogym.scheduler.errors import SchedulerError

#: Largest lag at which loads of two nodes are compared, samples.
LARGEST_LAG = 30
#: Entries of the network view below this are no connection.
LEAST_NETWORK = 0.1
#: Bytes of a crop, and the time in which a good link moves one, seconds.
CROP_BYTES, GOOD_S = 6000, 0.02
#: Targets per node, servers not counted.
TARGETS = 4


def physical(series: np.ndarray, largest_lag: int = LARGEST_LAG) -> np.ndarray:
    """Largest correlation of x_i(t) and x_j(t + lag) over lags from 0, negative ones 0, of past loads [T, N].

    Nodes whose load never changes correlate with none.

    Raises:
        SchedulerError: too few samples for the lag.
    """
    x = np.asarray(series, np.float64)
    if len(x) < largest_lag + 2:
        raise SchedulerError(
            f"series of {len(x)} samples: expected at least {largest_lag + 2} for lags to {largest_lag}"
        )
    best = np.zeros((x.shape[1], x.shape[1]))
    for lag in range(largest_lag + 1):
        first, later = x[: len(x) - lag], x[lag:]
        best = np.maximum(best, _standard(first).T @ _standard(later) / len(first))
    np.fill_diagonal(best, 0.0)
    return np.clip(best, 0.0, 1.0)


def network(
    up: np.ndarray, down: np.ndarray, rtt_s: float = 0.01, crop_bytes: float = CROP_BYTES, good_s: float = GOOD_S
) -> np.ndarray:
    """exp(-(t_ij / ``good_s``)^2), t_ij = the time in which i gets one crop to j; below 0.1: 0.

    Args:
        up, down: [N] bit/s of the nodes' links.
        rtt_s: there and back.
    """
    rate = np.minimum(np.asarray(up, np.float64)[:, None], np.asarray(down, np.float64)[None, :])
    if not (rate >= 0).all():
        raise SchedulerError("up, down: expected bit/s from 0")
    took = rtt_s / 2 + np.divide(8 * crop_bytes, rate, out=np.full_like(rate, np.inf), where=rate > 0)
    view = np.exp(-((took / good_s) ** 2))
    view[view < LEAST_NETWORK] = 0.0
    np.fill_diagonal(view, 0.0)
    return view


def resource(load: np.ndarray, capacity: np.ndarray, memory_used: np.ndarray | float = 0.0) -> np.ndarray:
    """Part of the target's capacity [N] that its processed load [N] leaves, times its free memory (part of all)."""
    load, capacity = np.asarray(load, np.float64), np.asarray(capacity, np.float64)
    free = np.divide(capacity - load, capacity, out=np.zeros_like(capacity), where=capacity > 0)
    room = np.clip(free, 0.0, 1.0) * np.clip(1.0 - np.asarray(memory_used, np.float64), 0.0, 1.0)
    view = np.broadcast_to(room, (len(room), len(room))).copy()
    np.fill_diagonal(view, 0.0)
    return view


def valid_edges(
    network_view: np.ndarray, valid: np.ndarray, servers: np.ndarray | None = None, targets: int = TARGETS
) -> np.ndarray:
    """bool [N, N]: each device may send to its ``targets`` best connected devices and to all servers that it reaches.

    Args:
        network_view: [N, N]; 0 is no connection. Equal ones: the lower index.
        valid: bool [N], nodes that are there.
        servers: bool [N]; they send to none.
    """
    count = len(network_view)
    server = np.zeros(count, bool) if servers is None else np.asarray(servers, bool)
    reaches = (network_view > 0) & valid[:, None] & valid[None, :] & ~server[:, None] & ~np.eye(count, dtype=bool)
    quality = np.where(reaches & ~server, network_view, 0.0)
    best = np.argsort(-quality, axis=1, kind="stable")[:, :targets]
    edges = np.zeros((count, count), bool)
    np.put_along_axis(edges, best, True, 1)
    return (edges & (quality > 0)) | (reaches & server)


def _standard(x: np.ndarray) -> np.ndarray:
    """Columns less their mean over their standard deviation; 0 where a column never changes."""
    centred = x - x.mean(0)
    deviation = x.std(0)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12)
