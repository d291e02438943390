"""What an agent of the batching problem sees: FCPO's eight values, from telemetry alone (docs/contract.md 10)."""

from __future__ import annotations

from typing import Optional

import numpy as np

from octogym.cluster.rate import RateMeter
from octogym.cluster.reward import LEAST_RATE
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster

#: Values of one observation: packing, batch, threads, net rate, Q1, Q2, Q4, SLO (FCPO's state vector, in its order).
OBSERVATION = 8
#: Normalisation and bounds: requests/s, times that much at most; items in a queue; SLO in ns (100 ms).
RATE_UNIT, RATE_CAP = 250.0, 40.0
QUEUE_UNIT = 100.0
SLO_UNIT, SLO_CAP = 1e8, 100.0


class Observer:
    """Observations of all instances in E environments, without an environment: for policies in a `Runner`, on a rack
    or on a device. Bit-equal to `batching_v0`'s.

    Feed it every window's telemetry once. An environment whose `t_ns` is 0 has begun a new episode: what came before
    is forgotten. An instance whose rows are not valid (a device that is absent or silent) keeps its last observation.
    """

    def __init__(self, cluster: Cluster, num_envs: int) -> None:
        self._meter = RateMeter(num_envs, cluster.S, cluster.period_ns)
        self._period_s = cluster.period_ns / 1e9
        self._device = np.array([instance.device for instance in cluster.instances], np.intp)
        self._sizes = np.array([instance.action_sizes for instance in cluster.instances], np.int64).reshape(-1, 3)
        slo = np.array([cluster.instance_slo_ns(s) for s in range(cluster.S)], np.int64)
        #: Requests/s by the six-window average, float64 [E, S].
        self.rate = np.zeros((num_envs, cluster.S))
        self._last = np.zeros((num_envs, cluster.S, OBSERVATION), np.float32)
        self._last[..., 7] = np.minimum(slo / SLO_UNIT, SLO_CAP)

    def reset(self, mask: Optional[np.ndarray] = None) -> None:
        """Forget the arrivals of the environments of mask bool [E] (all if None)."""
        self._meter.reset(mask)
        self.rate[slice(None) if mask is None else mask] = 0.0

    def push(self, t: Telemetry) -> np.ndarray:
        """Take one window's telemetry; returns float32 [E, S, 8], overwritten by the next call."""
        fresh = t.t_ns == 0
        self.rate = self._meter.push(t.arrived)
        if fresh.any():
            self.reset(fresh)
        seen = (t.present[:, self._device] > 0) & (t.valid > 0) | fresh[:, None]
        np.copyto(self._last, self._values(t), where=seen[..., None])
        return self._last

    def _values(self, t: Telemetry) -> np.ndarray:
        values = np.empty(self._last.shape)
        sizes = self._sizes
        values[..., 0] = np.minimum(t.pack / sizes[:, 0], 1.0)
        values[..., 1] = np.minimum(t.batch / sizes[:, 1], 1.0)
        pre = np.where(t.requested_pre > 0, t.requested_pre, t.pre)
        post = np.where(t.requested_post > 0, t.requested_post, t.post)
        # Other policies may ask for more threads than an action can.
        threads = np.clip(pre, 1, 2) - 1 + 2 * (np.clip(post, 1, 2) - 1)
        values[..., 2] = np.minimum(threads, sizes[:, 2] - 1) / sizes[:, 2]
        values[..., 3] = np.minimum(self.net_rate(t) / RATE_UNIT, RATE_CAP)
        for column, queue in ((4, 0), (5, 1), (6, 3)):
            values[..., column] = np.minimum(t.queue[..., queue] / QUEUE_UNIT, 1.0)
        values[..., 7] = self._last[..., 7]
        return values

    def net_rate(self, t: Telemetry) -> np.ndarray:
        """Rate less the window's late drops, requests/s, float64 [E, S]; 0 where nothing arrived for 60 s."""
        window_s = np.where(t.window_ns > 0, t.window_ns / 1e9, self._period_s)[:, None]
        net = np.maximum(self.rate - t.dropped_late / window_s, LEAST_RATE)
        return np.where(self.rate > 0, net, 0.0)
