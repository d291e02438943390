"""Samples from telemetry, once a second, for any number of nodes."""

from __future__ import annotations

import numpy as np

from octogym.cluster.offloading.correlation import Correlation
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.signals import Signals
from octogym.cluster.telemetry import Telemetry, quantile_ns
from octogym.cluster.topology import SERVER
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.edges import TARGETS, valid_edges
from octogym.scheduler.offload.collected import Site
from octogym.scheduler.offload.recent import RecentCorrelation
from octogym.scheduler.offload.sample import PLANNED, Sample, adjacency

#: Samples per node that a decision sees (OctoCross: 32 at 1 Hz).
HISTORY = 32
#: Clusters of more agents learn the physical view from the last minutes only.
DENSE_AGENTS = 64


class Sampler:
    """Watches E environments of one layout. Windows must be 1 s long.

    Args:
        layout: with all devices as targets (`top_k` of at least N - 1), or edges end where its targets end.
        history: tau.
        targets: edges per node at most, servers not counted; None: all that are connected.
        correlate: whether the physical view is learned; else it is 0.

    Raises:
        SchedulerError: windows of another length.
    """

    def __init__(
        self,
        layout: OffloadLayout,
        num_envs: int,
        history: int = HISTORY,
        targets: int | None = TARGETS,
        correlate: bool = True,
    ) -> None:
        cluster, N, M = layout.cluster, layout.N, layout.M
        if cluster.period_ns != 1_000_000_000:
            raise SchedulerError(
                f"scenario {cluster.name!r}: windows of {cluster.period_ns / 1e9:g} s; expected 1 s, since loads are "
                "sampled once a second"
            )
        self.layout, self._targets = layout, M if targets is None else targets
        self._signals = Signals(layout, num_envs, 1, correlate=False)
        self._correlate = correlate
        self._physical = [self._correlation() for _ in range(num_envs)]
        cameras = [camera.fps for camera, n in zip(cluster.cameras, layout.camera_agent, strict=True) if n >= 0]
        self.fps = float(np.mean(cameras))
        self.names = tuple(cluster.devices[d].id for d in layout.node_device.tolist())
        self.capacity = PLANNED * layout.capacity / self.fps
        self.servers = np.array([cluster.devices[d].role == SERVER for d in layout.node_device.tolist()])
        self._crop_bytes = np.full(M, layout.crop_bytes.mean())
        self._crop_bytes[:N] = layout.crop_bytes
        self._history = np.zeros((num_envs, M, history))
        self._seen = np.zeros(num_envs, np.int64)
        self._up, self._down = layout.node_device, cluster.D + layout.node_device
        self._bandwidth = np.zeros((num_envs, cluster.L), np.int64)
        self._queue = np.zeros((num_envs, M))
        self._t_s = np.zeros(num_envs)
        self._at = [np.flatnonzero(layout.node_of == m) for m in range(M)]
        self._leaves = np.array([not cluster.out_edges(i.stage) for i in cluster.instances], bool)

    def reset(self, mask: np.ndarray) -> None:
        """Forget the environments of `mask` bool [E]."""
        self._signals.reset(mask)
        self._history[mask], self._seen[mask], self._queue[mask] = 0.0, 0, 0.0
        for e in np.flatnonzero(mask).tolist():
            self._physical[e] = self._correlation()

    def push(self, t: Telemetry) -> None:
        """Take one window of all environments; in those that begin (time 0) everything before is forgotten."""
        signals, N = self._signals, self.layout.N
        signals.push(t)
        demand = signals.demand / self.fps
        self._history[:, :, :-1] = self._history[:, :, 1:]
        self._history[:, :N, -1] = demand
        first = self._seen == 0
        if first.any():
            self._history[first, :N] = demand[first][:, :, None]
        self._seen += 1
        self._bandwidth[:] = t.bandwidth_bps
        self._queue = signals.queues(t)
        self._t_s = t.t_ns / 1e9
        if self._correlate:
            for e, physical in enumerate(self._physical):
                physical.push(demand[e : e + 1])
        begins = t.t_ns == 0
        if begins.any():
            self.reset(begins)

    @property
    def site(self) -> Site:
        """What does not change."""
        latency_s = self.layout.cluster.link_latency_ns / 1e9
        return Site(self.names, self.capacity, self.servers, self._crop_bytes, latency_s)

    def links_bps(self, e: int) -> tuple[np.ndarray, np.ndarray]:
        """float64 [M], twice: rates of the nodes' links, up and down."""
        up, down = (self._bandwidth[e, links].astype(np.float64) for links in (self._up, self._down))
        return up, down

    def demand(self, e: int) -> np.ndarray:
        """float64 [M], objects per frame that the nodes' own cameras asked for in the last second."""
        latest: np.ndarray = self._history[e, :, -1]
        return latest

    def _correlation(self) -> Correlation | RecentCorrelation:
        N = self.layout.N
        return Correlation(1, N) if N <= DENSE_AGENTS else RecentCorrelation(N)

    def seen(self, e: int) -> int:
        """Windows since the environment began."""
        return int(self._seen[e])

    def load(self, e: int) -> np.ndarray:
        """float64 [M], objects per frame that arrived to be worked on, mean of 3 s."""
        processed: np.ndarray = self._signals.load[e] / self.fps
        return processed

    def queue(self, e: int) -> np.ndarray:
        """float64 [M], requests that wait at later stages."""
        return self._queue[e]

    def latency_s(self, t: Telemetry, e: int, q: float = 0.95) -> np.ndarray:
        """float64 [M], quantile of the latency of results of the last window, 0 where there are none."""
        found = np.zeros(len(self.names))
        for m, at in enumerate(self._at):
            rows = at[self._leaves[at]]
            if len(rows):
                found[m] = np.nan_to_num(quantile_ns(t.leaf_hist[e, rows].sum(0), q) / 1e9)
        return found

    def sample(self, e: int, valid: np.ndarray, reach: np.ndarray) -> Sample:
        """What is known of environment `e`.

        Args:
            valid: bool [M], nodes that count as there.
            reach: bool [M, M], pairs with a route.
        """
        layout = self.layout
        up, down = self.links_bps(e)
        latency_s = layout.cluster.link_latency_ns / 1e9
        none = np.zeros((0, 0))
        physical = self._physical[e].view()[0] if self._correlate else none
        load = self.load(e)
        views = adjacency(physical, up, down, self._crop_bytes, latency_s, load, self.capacity, valid)
        return Sample(
            names=self.names,
            agents=layout.N,
            t_s=float(self._t_s[e]),
            history=self._history[e].copy(),
            seen=int(min(self._seen[e], self._history.shape[-1])),
            processed=load,
            capacity=self.capacity,
            views=views,
            valid=valid.copy(),
            servers=self.servers,
            routes=reach & valid[:, None] & valid,
            edges=valid_edges(views[1] * reach, valid, self.servers, self._targets),
            queue=self._queue[e].copy(),
            up_bps=up,
            down_bps=down,
            crop_bytes=self._crop_bytes,
            latency_s=latency_s,
            fps=self.fps,
        )
