"""Formulas of the three adjacency views of a cluster (OctoCross section 3.1 names them and gives no formula; these are
ours): physical, do loads at i come to j a little later; network, how fast does i reach j; resource, has j room."""

from __future__ import annotations

import numpy as np

from octogym.cluster.errors import OctoGymError

#: A good link moves a crop in this time, seconds; entries below the least are no connection (GMAN's kernel).
GOOD_S, LEAST_NETWORK = 0.02, 0.1
#: Largest lag at which loads of two nodes are compared, samples.
LARGEST_LAG = 30


def physical(series: np.ndarray, largest_lag: int = LARGEST_LAG) -> np.ndarray:
    """Largest correlation of x_i(t) and x_j(t + lag) over lags from 0, negative ones 0, of past loads [T, N]: float64
    [N, N] in [0, 1] with a zero diagonal. Nodes whose load never changes correlate with none.

    Raises:
        OctoGymError: too few samples for the lag.
    """
    x = np.asarray(series, np.float64)
    if len(x) < largest_lag + 2:
        raise OctoGymError(f"series of {len(x)} samples: expected at least {largest_lag + 2} for lags to {largest_lag}")
    best = np.zeros((x.shape[1], x.shape[1]))
    for lag in range(largest_lag + 1):
        first, later = x[: len(x) - lag], x[lag:]
        best = np.maximum(best, _standard(first).T @ _standard(later) / len(first))
    np.fill_diagonal(best, 0.0)
    return np.clip(best, 0.0, 1.0)


def network(rate: np.ndarray, crop_bytes: np.ndarray, latency_s: float) -> np.ndarray:
    """exp(-(t / 20 ms)^2), below 0.1: 0, where t is the time in which one crop gets over.

    Args:
        rate: bit/s of the slower of the links on the way, from 0. Any shape.
        crop_bytes: broadcast to it.
        latency_s: one way.
    """
    took = latency_s + 8 * np.asarray(crop_bytes) / np.maximum(rate, 1.0)
    view: np.ndarray = np.exp(-np.minimum((took / GOOD_S) ** 2, 100.0))
    return np.where(view < LEAST_NETWORK, 0.0, view)


def room(load: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """Part of the capacity that the load leaves, in [0, 1]; 0 where there is no capacity."""
    capacity = np.asarray(capacity, np.float64)
    free = np.divide(capacity - load, capacity, out=np.zeros(np.broadcast(load, capacity).shape), where=capacity > 0)
    return np.clip(free, 0.0, 1.0)


def _standard(x: np.ndarray) -> np.ndarray:
    """Columns less their mean over their standard deviation; 0 where a column never changes."""
    centred = x - x.mean(0)
    deviation = x.std(0)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12)
