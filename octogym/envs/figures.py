"""An episode in numbers, for its last info."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from octogym.cluster.telemetry import Telemetry, quantile_ns
from octogym.cluster.topology import Cluster

_REQUESTS = ("dropped_full", "dropped_late", "dropped_out", "failed", "lost")
_QUANTILES = {"latency_p50_s": 0.5, "latency_p95_s": 0.95, "latency_p99_s": 0.99}


def episode_figures(
    cluster: Cluster, t: Telemetry, e: int, leaf_hist: np.ndarray, reward_sum: float, windows: int
) -> dict[str, float]:
    """Figures of environment e's episode: rates in results/s, times in seconds, shares of all generated results
    (those in flight at the end included), drops in requests by kind. Same names and meaning as a run's
    (`octogym.cluster.results`). Quantiles are NaN where no result came. `leaf_hist` int64 [B]: latencies of the
    episode's results.
    """
    windows = int(windows)
    seconds = windows * cluster.period_ns / 1e9
    generated = float(t.total_generated[e].sum())
    on_time, late = float(t.total_on_time_results[e].sum()), float(t.total_late[e].sum())
    of = max(generated, 1.0)
    figures = {
        "seconds": seconds,
        "generated": generated,
        "throughput": (on_time + late) / seconds,
        "effective_throughput": on_time / seconds,
        "on_time_share": on_time / of,
        "late_share": late / of,
        "dropped_share": float(t.total_dropped[e].sum()) / of,
        "missed_share": float(t.total_missed[e].sum()) / of,
        "lost_share": float(t.total_lost_results[e].sum()) / of,
        "in_flight_share": float(t.in_flight[e].sum()) / of,
    }
    for name, q in _QUANTILES.items():
        figures[name] = float(quantile_ns(leaf_hist, q)) / 1e9
    for name in _REQUESTS:
        figures["requests_" + name] = float(getattr(t, "total_" + name)[e].sum())
    figures["reward_mean"] = float(reward_sum) / (windows * cluster.S)
    return figures


def stacked_figures(
    figures: Mapping[int, Mapping[str, float]], truncated: np.ndarray, each: int
) -> dict[str, np.ndarray]:
    """Figures of the episodes that ended, as arrays over rows with their `_` masks; `truncated` bool [E]."""
    stacked: dict[str, np.ndarray] = {}
    for name in next(iter(figures.values())):
        values = np.zeros(len(truncated))
        for e, found in figures.items():
            values[e] = found[name]
        stacked[name], stacked["_" + name] = np.repeat(values, each), np.repeat(truncated, each)
    return stacked
