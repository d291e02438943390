"""What an agent of the offloading problem sees, and the state of all."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.signals import LOAD_CAP, Signals
from octogym.cluster.telemetry import Telemetry

#: 100 Mbit/s, and up to that much.
LINK_UNIT, LINK_CAP = 1e8, 10.0
QUEUE_UNIT = 100.0
#: Values about the agent's own link, and about each target.
LINK, TARGET = 3, 8
_TARGET_HIGH = (1.0, 1.0, LOAD_CAP, LOAD_CAP, 1.0, 1.0, 1.0, 1.0)


def state_parts(signals: Signals, t: Telemetry, shares: np.ndarray) -> dict[str, np.ndarray]:
    """The named parts of `state()`, float32 [E, ...]; `shares` [E, N, T] are those in force."""
    layout = signals.layout
    parts = {
        "history": signals.history,
        "physical": signals.physical() * signals.apart(t),
        "network": signals.network(t),
        "resource": signals.resource(t),
        "load": np.minimum(signals.load / layout.capacity, LOAD_CAP),
        "queue": np.minimum(signals.queues(t) / QUEUE_UNIT, 1.0),
        "shares": np.minimum(shares, 1.0),
        "present": (t.present[:, layout.node_device] > 0).astype(np.float64),
    }
    return {name: part.astype(np.float32) for name, part in parts.items()}


class Observer:
    """Observations of all agents of a layout."""

    def __init__(self, layout: OffloadLayout) -> None:
        self._layout, cluster = layout, layout.cluster
        self._where = np.maximum(layout.targets, 0)
        self._empty = layout.targets < 0
        self._senders = np.zeros((cluster.S, layout.N))
        for s, instance in enumerate(cluster.instances):
            n = int(layout.node[instance.device])
            if 0 <= n < layout.N and cluster.stages[instance.stage].first:
                self._senders[s, n] = 1

    def observations(self, t: Telemetry, parts: dict[str, np.ndarray], valid: np.ndarray) -> np.ndarray:
        """float32 [E, N, history + LINK + TARGET * T]; `parts` of `state_parts`, `valid` bool [E, N, T]."""
        layout, (E, N, _) = self._layout, valid.shape
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


def state_space(layout: OffloadLayout, history: int) -> spaces.Box:
    """A new space of `state()`: the parts in order, flattened."""
    N, M, T = layout.N, layout.M, layout.T
    sizes = [(N * history, LOAD_CAP), (3 * N * M, 1.0), (M, LOAD_CAP), (M + N * T + M, 1.0)]
    high = np.concatenate([np.full(size, top, np.float32) for size, top in sizes])
    return spaces.Box(np.zeros_like(high), high, dtype=np.float32)
