"""What FCPO's agents see, what they learn from, and what their batch head means: as published, or as `fcpo-plus`.

All of it is known on the agent's own device: its own telemetry, its profile, and how late the work of the instances
on its GPU is.
"""

from __future__ import annotations

import numpy as np

from octogym.agents.fcpo.settings import FcpoSettings
from octogym.cluster.backend import View
from octogym.cluster.observation import Observer
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster


class Signals:
    """Observations, rewards and batch sizes of all instances of a cluster under `settings`."""

    def __init__(self, cluster: Cluster, settings: FcpoSettings) -> None:
        self._settings = settings
        instances = cluster.instances
        self._slo_s = np.array([cluster.instance_slo_ns(s) for s in range(cluster.S)]) / 1e9
        self._largest = np.array([instance.max_batch for instance in instances])
        # GPU time of an image in a batch of b, as a share of that alone, [S, largest + 1].
        self._cost = np.ones((cluster.S, int(self._largest.max()) + 1))
        for s, instance in enumerate(instances):
            infer = np.array(instance.profile.infer_ns[: instance.max_batch], float)
            self._cost[s, 1 : len(infer) + 1] = infer / np.arange(1, len(infer) + 1) / infer[0]
        gpus = [(instance.device, instance.gpu) for instance in instances]
        self._gpu = np.array([sorted(set(gpus)).index(gpu) for gpu in gpus])
        self._gpus = len(set(gpus))

    def batches(self, choice: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Batch sizes int64 [E, S] that the batch head's `choice` int [E, S] stands for at `rate` requests/s [E, S]."""
        if self._settings.batch == "size":
            return choice + 1
        fill_s = (choice + 1) / self._largest * self._settings.longest_fill * self._slo_s
        return np.clip(np.floor(rate * fill_s + 0.5), 1, self._largest).astype(np.int64)

    def observation(self, published: np.ndarray, view: View, observer: Observer) -> np.ndarray:
        """float32 [E, S, 8]. "scaled": packing, fill of the batch (share of the SLO that it takes to fill), threads,
        log rate, arrivals of the last second against it, local latency over SLO, late share on the GPU, SLO."""
        if self._settings.observation == "published":
            return published
        t = view.telemetry
        seen = published.copy()
        window_s = np.maximum(t.window_ns, 1)[:, None] / 1e9
        rate = np.maximum(observer.rate, 0.1)
        seen[..., 1] = np.minimum(t.batch / rate / self._slo_s, 2)
        seen[..., 3] = np.log2(1 + observer.rate) / 4
        seen[..., 4] = np.log2((1 + t.arrived / window_s) / (1 + observer.rate)).clip(-2, 2)
        seen[..., 5] = np.minimum(t.local_latency_ns / 1e9 / self._slo_s * 2, 2)
        seen[..., 6] = self._late_on_gpu(t)
        return seen

    def reward(self, published: np.ndarray, view: View) -> np.ndarray:
        """float32 [E, S]. "on-time": share of what left the instance that did so in good time, less `latency_weight`
        x local latency over SLO, less `price` x late share on the GPU x what an image costs there against a batch of
        one: who batches too little slows down all others on it, and Eq. 1 lets nobody feel that."""
        settings = self._settings
        if settings.reward == "published":
            return published
        t = view.telemetry
        left = t.completed + t.dropped_late + t.dropped_full
        on_time = np.where(left > 0, t.on_time / np.maximum(left, 1), 1.0)
        latency = t.local_latency_ns / 1e9 / self._slo_s
        size = np.clip(t.batch, 1, self._largest)
        cost = self._cost[np.arange(len(self._largest)), size]
        reward = on_time - settings.latency_weight * latency - settings.price * self._late_on_gpu(t) * cost
        return np.clip(reward, -1.0, 1.0).astype(np.float32)

    def _late_on_gpu(self, t: Telemetry) -> np.ndarray:
        """float64 [E, S]: of the images that the instances on one's GPU completed, the share that was late."""
        completed, late = t.completed, t.completed - t.on_time
        share = np.zeros(completed.shape)
        for gpu in range(self._gpus):
            mine = self._gpu == gpu
            done = completed[:, mine].sum(1)
            share[:, mine] = (late[:, mine].sum(1) / np.maximum(done, 1))[:, None]
        return share
