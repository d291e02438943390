"""What can be known of the offloading problem from telemetry: demand, load, queues and the three adjacency views."""

from __future__ import annotations

import numpy as np

from octogym.cluster.offloading import views
from octogym.cluster.offloading.correlation import Correlation
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.results import leaves_per_crop
from octogym.cluster.telemetry import Telemetry

#: Demand, load and capacity are shown as parts of a capacity, up to this.
LOAD_CAP = 10.0
#: The processed load is the mean over so many seconds.
LOAD_S = 3.0


class Signals:
    """Signals of E environments, fed with every window's telemetry; `history` windows of demand are kept.

    Attributes:
        demand: float64 [E, N], crops/s that an agent's cameras made in the last window.
        load: float64 [E, M], requests/s that arrived at a node's later stages, mean of the last 3 s.
        offloaded: float64 [E, N], crops that left an agent's device in the last window: bytes sent over its uplink
            in units of a first-stage crop.
        history: float64 [E, N, history], demand as a part of the own capacity, oldest first; before the first window 0,
            then filled from the left with the first value.

    Args:
        correlate: whether `physical` is learned as the episode goes on (N^2 work in every window); else it is 0.
    """

    def __init__(self, layout: OffloadLayout, num_envs: int, history: int, correlate: bool = True) -> None:
        cluster = layout.cluster
        self.layout, self._E = layout, num_envs
        self._window_s = cluster.period_ns / 1e9
        # A camera's results stand for its crops; the mean over the classes that go anywhere.
        worth = leaves_per_crop(cluster)
        per_crop = worth.sum(1) / np.maximum((worth > 0).sum(1), 1)
        self._cameras = np.zeros((cluster.C, layout.N))
        for c, n in enumerate(layout.camera_agent.tolist()):
            if n >= 0 and per_crop[c] > 0:
                self._cameras[c, n] = 1 / per_crop[c]
        self._instances = np.zeros((cluster.S, layout.M))
        at = np.flatnonzero(layout.node_of >= 0)
        self._instances[at, layout.node_of[at]] = 1
        N, E = layout.N, num_envs
        self.history = np.zeros((E, N, history))
        self._fresh = np.ones(E, bool)
        self.demand, self.offloaded = np.zeros((E, N)), np.zeros((E, N))
        self._arrivals = np.zeros((max(1, round(LOAD_S / self._window_s)), E, layout.M))
        self._passed = np.zeros(E, np.int64)
        self._head = 0
        self.load = np.zeros((E, layout.M))
        self._correlation = Correlation(E, N) if correlate else None

    def reset(self, mask: np.ndarray) -> None:
        """Begin anew in the environments of `mask` bool [E]."""
        for array in (self.history, self.demand, self.offloaded, self.load, self._passed):
            array[mask] = 0
        self._arrivals[:, mask] = 0
        self._fresh[mask] = True
        if self._correlation is not None:
            self._correlation.reset(mask)

    def push(self, t: Telemetry) -> None:
        """Take one window."""
        layout = self.layout
        self.demand = t.generated @ self._cameras / self._window_s
        self.offloaded = t.sent_bytes[:, layout.device] / np.maximum(layout.crop_bytes, 1.0)
        now = np.minimum(self.demand / layout.capacity[: layout.N], LOAD_CAP)
        self.history[:, :, :-1] = self.history[:, :, 1:]
        self.history[:, :, -1] = now
        if self._fresh.any():
            self.history[self._fresh] = now[self._fresh][:, :, None]
            self._fresh[:] = False
        self._head = (self._head + 1) % len(self._arrivals)
        self._arrivals[self._head] = t.arrived @ self._instances
        self._passed += 1
        windows = np.minimum(self._passed, len(self._arrivals))[:, None]
        self.load = self._arrivals.sum(0) / (windows * self._window_s)
        if self._correlation is not None:
            self._correlation.push(self.demand)

    # --- the three adjacency views, each [E, N, M] in [0, 1] --------------------------------------------------------
    def physical(self) -> np.ndarray:
        """Largest lagged correlation of demands; 0 for devices without cameras."""
        view = np.zeros((self._E, self.layout.N, self.layout.M))
        if self._correlation is not None:
            view[:, :, : self.layout.N] = self._correlation.view()
        return view

    def network(self, t: Telemetry) -> np.ndarray:
        """Speed of the way for one crop: exp(-(latency + bits / slower link)^2 / 20 ms^2), 0 below 0.1."""
        layout, cluster = self.layout, self.layout.cluster
        up = t.bandwidth_bps[:, layout.device].astype(np.float64)[:, :, None]
        down = t.bandwidth_bps[:, cluster.D + layout.node_device].astype(np.float64)[:, None, :]
        rate = np.maximum(np.minimum(up, down), 1.0)
        view = views.network(rate, layout.crop_bytes[:, None], cluster.link_latency_ns / 1e9)
        return view * self.apart(t)

    def resource(self, t: Telemetry) -> np.ndarray:
        """Part of the target's capacity that its load leaves."""
        return views.room(self.load, self.layout.capacity)[:, None, :] * self.apart(t)

    def apart(self, t: Telemetry) -> np.ndarray:
        """1.0 where both are present and not the same device."""
        layout = self.layout
        here = t.present[:, layout.node_device] > 0
        both = (here[:, : layout.N, None] & here[:, None, :]).astype(np.float64)
        at = np.arange(layout.N)
        both[:, at, at] = 0.0
        return both

    def queues(self, t: Telemetry) -> np.ndarray:
        """float64 [E, M]: requests in Q1 of a node's later stages."""
        return t.queue[:, :, 0] @ self._instances
