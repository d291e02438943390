"""What a run leaves: every window's counters per environment, and the episode's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict

import numpy as np

from octogym.cluster.telemetry import BINS, COUNTERS, LEAVING, RESULTS, Telemetry, latency_bin_edges_ns, quantile_ns
from octogym.cluster.topology import Cluster

INSTANCE_STATE = ("in_stage", "active", "pack", "batch", "pre", "post", "set_by", "local_latency_ns", "timeout_ns")
CAMERA_COUNTERS = ("frames", "objects", *RESULTS)
CAMERA_STATE = ("in_flight", "overdue")
LINK_FIELDS = ("bandwidth_bps", "sent_bytes", "link_busy_ns")
QUEUES = ("q1", "q2", "q3", "q4", "q5")
QUANTILES = (0.5, 0.95, 0.99)
#: A link is the bottleneck of a window in which it was sending (or stalled while sending) for at least this share.
LINK_BOUND = 0.95
_WIDE = {"local_latency_ns", "timeout_ns", "bandwidth_bps", "sent_bytes", "link_busy_ns"}


@dataclass
class Episode:
    """One environment's run: K windows of S instances, C cameras, L links.

    `instances`: counters, settings in force, `reward` and queue lengths by name, [K, S]; `cameras`: [K, C]; `links`:
    [K, L]; `latency_ns`: float64 [K, 4], mean and the 50, 95 and 99 % quantiles of the results of each window (NaN
    where there were none); `leaf_hist`: int64 [BINS], latencies of all results.
    """

    seed: int
    period_ns: int
    t_ns: np.ndarray
    instances: Dict[str, np.ndarray]
    cameras: Dict[str, np.ndarray]
    links: Dict[str, np.ndarray]
    latency_ns: np.ndarray
    leaf_hist: np.ndarray

    def figures(self) -> Dict[str, float]:
        """The episode in numbers. Times in seconds, rates in results/s, shares of all generated results (those in
        flight at the end included), drops in requests by kind. `*_instance_minutes` weighs every minute of every
        instance alike.
        """
        seconds = len(self.t_ns) * self.period_ns / 1e9
        total = {name: float(self.cameras[name].sum()) for name in CAMERA_COUNTERS}
        in_flight = self.cameras["in_flight"][-1].sum() if len(self.t_ns) else 0
        generated = max(total["generated"], 1.0)
        served = total["on_time_results"] + total["late"]
        p50, p95, p99 = (float(quantile_ns(self.leaf_hist, q)) / 1e9 for q in QUANTILES)
        figures = {
            "seconds": seconds,
            "generated": total["generated"],
            "throughput": served / seconds if seconds else 0.0,
            "effective_throughput": total["on_time_results"] / seconds if seconds else 0.0,
            "on_time_share": total["on_time_results"] / generated,
            "on_time_share_instance_minutes": self._instance_minutes(),
            "late_share": total["late"] / generated,
            "dropped_share": total["dropped"] / generated,
            "missed_share": total["missed"] / generated,
            "lost_share": total["lost_results"] / generated,
            "in_flight_share": float(in_flight) / generated,
            "latency_mean_s": float(_mean_ns(self.leaf_hist)) / 1e9,
            "latency_p50_s": p50,
            "latency_p95_s": p95,
            "latency_p99_s": p99,
        }
        for name in ("dropped_full", "dropped_late", "dropped_out", "failed", "lost"):
            figures["requests_" + name] = float(self.instances[name].sum())
        figures["reward_mean"] = float(self.instances["reward"].mean()) if seconds else 0.0
        figures["link_bound_share"] = float(self.link_bound().mean()) if seconds else 0.0
        return figures

    def link_bound(self) -> np.ndarray:
        """float64 [K]: share of the links that carried anything in the episode that were busy at least 95 % of the
        window."""
        busy = self.links["link_busy_ns"]
        used = busy.any(0)
        if not used.any():
            return np.zeros(len(busy))
        return (busy[:, used] >= LINK_BOUND * self.period_ns).mean(1)

    def _instance_minutes(self) -> float:
        """Mean over instances and minutes of the share of requests leaving the instance that left it in good time."""
        windows = max(1, 60_000_000_000 // self.period_ns)
        starts = np.arange(0, len(self.t_ns), windows)
        if not len(starts):
            return 0.0
        left = np.add.reduceat(np.sum([self.instances[n] for n in LEAVING], 0, dtype=np.int64), starts)
        good = np.add.reduceat(self.instances["on_time"].astype(np.int64), starts)
        return float((good[left > 0] / left[left > 0]).mean()) if left.any() else 0.0


class Recorder:
    """Keeps the windows of E environments that run at once; `episode(e)` gives one of them."""

    def __init__(self, cluster: Cluster, num_envs: int, windows: int, seed: int = 0) -> None:
        self.cluster, self.num_envs, self.seed = cluster, num_envs, seed
        self.recorded, self.interrupted = 0, False
        # Latencies of results are counted where results end: at stages without another below them.
        self._leaves = np.array([s for s, i in enumerate(cluster.instances) if not cluster.out_edges(i.stage)], np.intp)

        def table(names: tuple, width: int) -> Dict[str, np.ndarray]:
            shape = (windows, num_envs, width)
            return {name: np.zeros(shape, np.int64 if name in _WIDE else np.int32) for name in names}

        self._t_ns = np.zeros((windows, num_envs), np.int64)
        self._instances = table(COUNTERS + INSTANCE_STATE + QUEUES, cluster.S)
        self._instances["reward"] = np.zeros((windows, num_envs, cluster.S), np.float32)
        self._cameras = table(CAMERA_COUNTERS + CAMERA_STATE, cluster.C)
        self._links = table(LINK_FIELDS, cluster.L)
        self._latency_ns = np.full((windows, num_envs, 1 + len(QUANTILES)), np.nan)
        self._leaf_hist = np.zeros((num_envs, BINS), np.int64)

    def add(self, telemetry: Telemetry, reward: np.ndarray) -> None:
        """Copy one window. `reward` float32 [E, S]."""
        k = self.recorded
        self._t_ns[k] = telemetry.t_ns
        for name in COUNTERS + INSTANCE_STATE:
            self._instances[name][k] = getattr(telemetry, name)
        for q, name in enumerate(QUEUES):
            self._instances[name][k] = telemetry.queue[:, :, q]
        self._instances["reward"][k] = reward
        for name in CAMERA_COUNTERS + CAMERA_STATE:
            self._cameras[name][k] = getattr(telemetry, name)
        for name in LINK_FIELDS:
            self._links[name][k] = getattr(telemetry, name)
        results = telemetry.leaf_hist[:, self._leaves].sum(1, dtype=np.int64)
        self._leaf_hist += results
        self._latency_ns[k, :, 0] = _mean_ns(results)
        for q, quantile in enumerate(QUANTILES):
            self._latency_ns[k, :, 1 + q] = quantile_ns(results, quantile)
        self.recorded += 1

    def episode(self, e: int) -> Episode:
        """What environment e did so far; views of the recorder's arrays."""
        k = self.recorded
        return Episode(
            self.seed + e,
            self.cluster.period_ns,
            self._t_ns[:k, e],
            {name: array[:k, e] for name, array in self._instances.items()},
            {name: array[:k, e] for name, array in self._cameras.items()},
            {name: array[:k, e] for name, array in self._links.items()},
            self._latency_ns[:k, e],
            self._leaf_hist[e],
        )


def _mean_ns(histogram: np.ndarray) -> np.ndarray:
    """Mean latency in ns of histogram(s) [..., BINS], each bin counted at its middle; NaN where empty."""
    edges = latency_bin_edges_ns()
    middle = np.concatenate([[edges[1] / 2], (edges[1:-2] + edges[2:-1]) / 2, [edges[-2]]])
    total = histogram.sum(-1)
    weighted = histogram @ middle
    return np.divide(weighted, total, out=np.full(np.shape(weighted), np.nan), where=total > 0)
