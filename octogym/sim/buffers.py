"""The arrays that a step writes, and the Telemetry whose fields are views of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octogym.cluster.telemetry import BINS, COUNTERS, RESULTS, Telemetry
from octogym.cluster.topology import Cluster
from octogym.cluster.workload import WorkloadPlan


class Buffers:
    """Blocks [F, E, S] and the like in the order of the kernel's reports; `out` is what the kernel takes."""

    def __init__(self, cluster: Cluster, num_envs: int) -> None:
        e, s, d = num_envs, cluster.S, cluster.D
        self.counts = np.zeros((21, e, s), np.int64)
        self.settings = np.zeros((6, e, s), np.int32)
        self.queue = np.zeros((e, s, 5), np.int32)
        self.flags = np.zeros((3, e, s), np.int8)
        self.shares = np.zeros((e, cluster.R), np.uint16)
        self.cameras = np.zeros((16, e, cluster.C), np.int64)
        self.present = np.ones((e, d), np.int8)
        self.gpu_busy = np.zeros((e, d), np.int64)
        self.cpu = np.zeros((e, d), np.int32)
        self.links = np.zeros((3, e, cluster.L), np.int64)
        self.times = np.zeros((2, e), np.int64)
        self.age = np.zeros((e, s), np.int64)
        self.hist = np.zeros((e, 2 * s * BINS), np.uint32)
        self.flags[2] = 1
        self.out = (
            self.counts,
            self.settings,
            self.queue,
            self.flags,
            self.shares,
            self.cameras,
            self.present,
            self.gpu_busy,
            self.cpu,
            self.links,
            self.times,
            self.age,
        )

    def begin(self, cluster: Cluster, which: np.ndarray, plans: Sequence[WorkloadPlan]) -> None:
        """Telemetry at time 0 of the environments `which` bool [E]: settings in force, all counters 0."""
        for block in (self.counts, self.cameras, self.links, self.times):
            block[:, which] = 0
        for rows in (self.queue, self.gpu_busy, self.cpu, self.age):
            rows[which] = 0
        devices = np.array([instance.device for instance in cluster.instances])
        for e in map(int, np.flatnonzero(which)):
            self.present[e] = [not (a[:, 0] == 0).any() if len(a) else True for a in plans[e].absent_ns]
            self.flags[2, e] = self.present[e, devices]
        for s, instance in enumerate(cluster.instances):
            x, d = instance.initial, instance.device
            self.settings[:, which, s] = np.array([x.pack, x.batch, x.pre, x.post, x.pre, x.post])[:, None]
            self.counts[20, which, s] = x.timeout_ns
            self.flags[0, which, s] = instance.active
            self.flags[1, which, s] = 0
            self.cpu[which, d] += (x.pre + x.post) * instance.active * self.present[which, d]
        for r, route in enumerate(cluster.routes):
            self.shares[which, r] = route.share_milli

    def telemetry(self, cluster: Cluster) -> Telemetry:
        c, g, f, cam, link = self.counts, self.settings, self.flags, self.cameras, self.links
        both = self.hist.reshape(len(self.age), 2, cluster.S, BINS)
        views: dict[str, np.ndarray] = {"t_ns": self.times[0], "window_ns": self.times[1]}
        views.update(zip((*COUNTERS, *(f"total_{name}" for name in COUNTERS)), c, strict=False))
        views.update(in_stage=c[18], local_latency_ns=c[19], timeout_ns=c[20], queue=self.queue)
        views.update(latency_hist=both[:, 0], leaf_hist=both[:, 1])
        views.update(zip(("pack", "batch", "pre", "post", "requested_pre", "requested_post"), g, strict=True))
        views.update(active=f[0], set_by=f[1], valid=f[2], age_ns=self.age, share_milli=self.shares)
        views.update(present=self.present, gpu_busy_ns=self.gpu_busy, cpu_threads=self.cpu)
        views.update(zip(("bandwidth_bps", "sent_bytes", "link_busy_ns"), link, strict=True))
        views.update(zip(("frames", "objects", *RESULTS, *(f"total_{name}" for name in RESULTS)), cam, strict=False))
        views.update(in_flight=cam[14], overdue=cam[15])
        return Telemetry(**views)
