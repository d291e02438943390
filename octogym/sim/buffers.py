"""The arrays that a step writes, and the Telemetry whose fields are views of them."""

from __future__ import annotations

import numpy as np

from octogym.cluster.telemetry import BINS, Telemetry
from octogym.cluster.topology import Cluster


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
        )

    def telemetry(self, cluster: Cluster) -> Telemetry:
        c, g, f, cam, link = self.counts, self.settings, self.flags, self.cameras, self.links
        both = self.hist.reshape(len(self.age), 2, cluster.S, BINS)
        return Telemetry(
            self.times[0],
            self.times[1],
            *[c[k] for k in range(20)],
            self.queue,
            both[:, 0],
            both[:, 1],
            f[0],
            *[g[k] for k in range(6)],
            c[20],
            f[1],
            self.shares,
            self.present,
            self.gpu_busy,
            self.cpu,
            *[link[k] for k in range(3)],
            *[cam[k] for k in range(16)],
            f[2],
            self.age,
        )
