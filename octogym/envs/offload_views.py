"""What the agents of the offloading problem see: demand, load, queues and the three adjacency views."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from octogym.cluster.telemetry import Telemetry
from octogym.envs.offload_correlation import Correlation
from octogym.envs.offload_layout import OffloadLayout
from octogym.envs.offload_scale import leaves_per_crop

#: Demand, load and capacity are shown as parts of a capacity, up to this.
LOAD_CAP = 10.0
#: 100 Mbit/s, and up to that much.
LINK_UNIT, LINK_CAP = 1e8, 10.0
QUEUE_UNIT = 100.0
#: Network view: exp(-(transfer time / this)^2), 0 below the least (GMAN's kernel; the 20 ms are ours).
TRANSFER_S, LEAST_EDGE = 0.02, 0.1
#: The processed load is the mean over so many seconds.
LOAD_S = 3.0
#: Values about the agent's own link, and about each target.
LINK, TARGET = 3, 8
_TARGET_HIGH = (1.0, 1.0, LOAD_CAP, LOAD_CAP, 1.0, 1.0, 1.0, 1.0)


class Views:
    """Signals of E environments, fed with every window's telemetry; `history` windows of demand are kept.

    Attributes:
        demand: float64 [E, N], crops/s that an agent's cameras made in the last window.
        load: float64 [E, M], requests/s that arrived at a node's later stages, mean of the last 3 s.
        offloaded: float64 [E, N], crops that left an agent's device in the last window: bytes sent over its uplink
            in units of a first-stage crop.
        history: float64 [E, N, history], demand as a part of the own capacity, oldest first; before the first window 0,
            then filled from the left with the first value.
    """

    def __init__(self, layout: OffloadLayout, num_envs: int, history: int) -> None:
        cluster = layout.cluster
        self._layout, self._E = layout, num_envs
        self._window_s = cluster.period_ns / 1e9
        # A camera's results stand for its crops; the mean over the classes that go anywhere.
        worth = leaves_per_crop(cluster)
        per_crop = worth.sum(1) / np.maximum((worth > 0).sum(1), 1)
        self._cameras = np.zeros((cluster.C, layout.N))
        for c, n in enumerate(layout.camera_agent.tolist()):
            if n >= 0 and per_crop[c] > 0:
                self._cameras[c, n] = 1 / per_crop[c]
        self._instances = np.zeros((cluster.S, layout.M))
        self._senders = np.zeros((cluster.S, layout.N))
        for s, instance in enumerate(cluster.instances):
            if layout.node_of[s] >= 0:
                self._instances[s, layout.node_of[s]] = 1
            n = int(layout.node[instance.device])
            if 0 <= n < layout.N and cluster.stages[instance.stage].first:
                self._senders[s, n] = 1
        N, E = layout.N, num_envs
        self.history = np.zeros((E, N, history))
        self._fresh = np.ones(E, bool)
        self.demand, self.offloaded = np.zeros((E, N)), np.zeros((E, N))
        self._arrivals = np.zeros((max(1, round(LOAD_S / self._window_s)), E, layout.M))
        self._passed = np.zeros(E, np.int64)
        self._head = 0
        self.load = np.zeros((E, layout.M))
        self._correlation = Correlation(E, N)
        self._where = np.maximum(layout.targets, 0)
        self._empty = layout.targets < 0

    def reset(self, mask: np.ndarray) -> None:
        """Begin anew in the environments of `mask` bool [E]."""
        for array in (self.history, self.demand, self.offloaded, self.load, self._passed):
            array[mask] = 0
        self._arrivals[:, mask] = 0
        self._fresh[mask] = True
        self._correlation.reset(mask)

    def push(self, t: Telemetry) -> None:
        """Take one window."""
        layout = self._layout
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
        self._correlation.push(self.demand)

    # --- the three adjacency views, each [E, N, M] in [0, 1] --------------------------------------------------------
    def physical(self) -> np.ndarray:
        """Largest lagged correlation of demands; 0 for devices without cameras."""
        view = np.zeros((self._E, self._layout.N, self._layout.M))
        view[:, :, : self._layout.N] = self._correlation.view()
        return view

    def network(self, t: Telemetry) -> np.ndarray:
        """Speed of the way for one crop: exp(-(latency + bits / slower link)^2 / 20 ms^2), 0 below 0.1."""
        layout, cluster = self._layout, self._layout.cluster
        up = t.bandwidth_bps[:, layout.device].astype(np.float64)[:, :, None]
        down = t.bandwidth_bps[:, cluster.D + layout.node_device].astype(np.float64)[:, None, :]
        rate = np.maximum(np.minimum(up, down), 1.0)
        time_s = cluster.link_latency_ns / 1e9 + 8 * layout.crop_bytes[:, None] / rate
        view = np.exp(-np.minimum((time_s / TRANSFER_S) ** 2, 100.0))
        view[view < LEAST_EDGE] = 0.0
        return view * self._apart(t)

    def resource(self, t: Telemetry) -> np.ndarray:
        """Part of the target's capacity that its load leaves."""
        room = np.clip(1 - self.load / self._layout.capacity, 0.0, 1.0)
        return room[:, None, :] * self._apart(t)

    def _apart(self, t: Telemetry) -> np.ndarray:
        """1.0 where both are present and not the same device."""
        layout = self._layout
        here = t.present[:, layout.node_device] > 0
        both = (here[:, : layout.N, None] & here[:, None, :]).astype(np.float64)
        at = np.arange(layout.N)
        both[:, at, at] = 0.0
        return both

    def queues(self, t: Telemetry) -> np.ndarray:
        """float64 [E, M]: requests in Q1 of a node's later stages."""
        return t.queue[:, :, 0] @ self._instances

    # --- put together -----------------------------------------------------------------------------------------------
    def parts(self, t: Telemetry, shares: np.ndarray) -> dict[str, np.ndarray]:
        """The named parts of `state()`, float32 [E, ...]; `shares` [E, N, T] are those in force."""
        layout = self._layout
        present = (t.present[:, layout.node_device] > 0).astype(np.float64)
        physical = self.physical() * self._apart(t)
        parts = {
            "history": self.history,
            "physical": physical,
            "network": self.network(t),
            "resource": self.resource(t),
            "load": np.minimum(self.load / layout.capacity, LOAD_CAP),
            "queue": np.minimum(self.queues(t) / QUEUE_UNIT, 1.0),
            "shares": np.minimum(shares, 1.0),
            "present": present,
        }
        return {name: part.astype(np.float32) for name, part in parts.items()}

    def observations(self, t: Telemetry, parts: dict[str, np.ndarray], valid: np.ndarray) -> np.ndarray:
        """float32 [E, N, history + LINK + TARGET * T]; `valid` bool [E, N, T]."""
        layout, E, N = self._layout, self._E, self._layout.N
        up = np.minimum(t.bandwidth_bps[:, layout.device] / LINK_UNIT, LINK_CAP)
        busy = np.minimum(t.link_busy_ns[:, layout.device] / layout.cluster.period_ns, 1.0)
        waiting = np.minimum(t.queue[:, :, 4] @ self._senders / QUEUE_UNIT, 1.0)
        seen = np.empty((E, N, layout.T, TARGET), np.float32)
        seen[..., 0], seen[..., 1] = valid, parts["shares"]
        relative = layout.capacity[self._where] / layout.capacity[: layout.N, None]
        seen[..., 2] = np.minimum(relative, LOAD_CAP)
        for column, name in ((3, "load"), (4, "queue")):
            seen[..., column] = parts[name][:, self._where]
        rows = np.arange(N)[:, None]
        for column, name in ((5, "physical"), (6, "network"), (7, "resource")):
            seen[..., column] = parts[name][:, rows, self._where]
        seen[:, self._empty] = 0.0
        link = np.stack([up, busy, waiting], -1)
        flat = (parts["history"], link, seen.reshape(E, N, -1))
        return np.concatenate(flat, -1, dtype=np.float32)


def observation_space(layout: OffloadLayout, history: int) -> spaces.Box:
    """A new space of one agent's observation."""
    high = [LOAD_CAP] * history + [LINK_CAP, 1.0, 1.0] + list(_TARGET_HIGH) * layout.T
    return spaces.Box(np.zeros(len(high), np.float32), np.array(high, np.float32), dtype=np.float32)


def action_space(layout: OffloadLayout, agents: int = 1) -> spaces.Box:
    """A new space of the actions of `agents`, one after the other."""
    return spaces.Box(-1.0, 1.0, (agents * layout.T,), np.float32)


def state_space(layout: OffloadLayout, history: int) -> spaces.Box:
    """A new space of `state()`: the parts in order, flattened."""
    N, M, T = layout.N, layout.M, layout.T
    sizes = [(N * history, LOAD_CAP), (3 * N * M, 1.0), (M, LOAD_CAP), (M + N * T + M, 1.0)]
    high = np.concatenate([np.full(size, top, np.float32) for size, top in sizes])
    return spaces.Box(np.zeros_like(high), high, dtype=np.float32)
