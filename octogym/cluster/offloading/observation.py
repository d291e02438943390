"""What an agent of the offloading problem sees, and the state of all: the same for environments and for policies."""

from __future__ import annotations

from typing import Dict

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.signals import LOAD_CAP, Signals
from octogym.cluster.telemetry import Telemetry

#: 100 Mbit/s, and up to that much.
LINK_UNIT, LINK_CAP = 1e8, 10.0
QUEUE_UNIT = 100.0
#: Values about the agent's own link, and about each target.
LINK, TARGET = 3, 8
#: Largest of each.
LINK_HIGH = (LINK_CAP, 1.0, 1.0)
TARGET_HIGH = (1.0, 1.0, LOAD_CAP, LOAD_CAP, 1.0, 1.0, 1.0, 1.0)


def state_parts(signals: Signals, t: Telemetry, shares: np.ndarray) -> Dict[str, np.ndarray]:
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
        device = np.array([instance.device for instance in cluster.instances], np.int64)
        self._rows = [np.flatnonzero(device == d) for d in layout.device.tolist()]
        for s, instance in enumerate(cluster.instances):
            n = int(layout.node[instance.device])
            if 0 <= n < layout.N and cluster.stages[instance.stage].first:
                self._senders[s, n] = 1

    def observations(self, t: Telemetry, parts: Dict[str, np.ndarray], valid: np.ndarray) -> np.ndarray:
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

    def present(self, t: Telemetry) -> np.ndarray:
        """bool [E, N]: agents whose device is there."""
        return t.present[:, self._layout.device] > 0

    def fresh(self, t: Telemetry) -> np.ndarray:
        """bool [E, N]: agents of whose device everything was reported in this window."""
        return np.stack([(t.valid[:, rows] > 0).all(1) for rows in self._rows], 1)
