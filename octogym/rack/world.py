"""The world of a simulated rack: one simulator, whose devices are steered and seen by a node each."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.rows import (
    COUNTERS,
    FLAGS,
    HELD,
    IN_FORCE,
    RESULTS,
    SETTINGS,
    STATE,
    DecisionRows,
    ObsRows,
)
from octogym.cluster.decision import Decision
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import BINS
from octogym.sim import SimBackend

#: What a simulated device does not know of itself: memory, power, temperature, throttling.
_UNKNOWN = (-1, -1, -1, -1)


class _Places(NamedTuple):
    """Where a deployment's rows stand in the cluster's arrays."""

    deployment: Deployment
    instances: np.ndarray | slice
    routes: np.ndarray | slice
    cameras: np.ndarray | slice


def _span(index: np.ndarray) -> np.ndarray | slice:
    """A slice where the places are in a row: what it takes is a view."""
    if len(index) and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


class World:
    """One cluster, simulated window by window, so that requests cross from device to device.

    A window is simulated as a whole under what the nodes have set in it, as `SimBackend.step` does: as soon as all of
    them have, so that nobody waits for it at its end, or else when it ends. Nothing of it is told before.
    What no node sets stays in force, and its validity runs out in the simulator (docs/contract.md, section 2): that is
    what a device does whose host is silent.

    `window`: the one that runs now, by the host's count; -1 before the first start. `steps`: windows simulated.

    Args:
        scenario: what is simulated.
        period_ns: real length of a window; the scenario's own if None.
    """

    def __init__(self, scenario: Scenario, period_ns: int | None = None) -> None:
        self.scenario, self.cluster = scenario, scenario.cluster
        self._period_ns = scenario.cluster.period_ns if period_ns is None else period_ns
        self._ended_ns = 0
        cluster = self.cluster
        self._number = {device.id: d for d, device in enumerate(cluster.devices)}
        self._places: dict[str, _Places] = {}
        self.window, self.steps = -1, 0
        # It is the host that delays decisions (`delay_steps`); a device applies what it is told.
        self._backend = SimBackend(replace(scenario, options=replace(scenario.options, delay_steps=0)))
        self._decision = Decision.keep(cluster)
        self._episode: Hashable = None
        # The simulator is compiled now, not in the first window.
        self._backend.reset(0)
        self._backend.step(self._decision)
        self._begin(0)

    def _begin(self, seed: int) -> None:
        cluster = self.cluster
        self._telemetry = self._backend.reset(seed)
        self._told: set[str] = set()
        self._simulated = False
        # What the simulator counts per window and nodes count on.
        self._histograms = np.zeros((2, cluster.S, BINS), np.uint32)
        self._cameras = np.zeros((2, cluster.C), np.int64)
        self._gpu_busy_ns = np.zeros(cluster.D, np.int64)
        self._links = np.zeros((2, 2, cluster.D), np.int64)  # bytes and busy time, up and down
        self._tabulate()

    def reset(self, episode: Hashable, seed: int) -> None:
        """Begin an episode, unless it has begun: every node asks for it, also one that comes late."""
        if episode == self._episode:
            return
        self._episode, self.window = episode, -1
        self._decision = Decision.keep(self.cluster)
        self._begin(seed)

    def apply(self, deployment: Deployment, rows: DecisionRows) -> None:
        """Set a device's decision for the window that runs."""
        _, s, r, _ = self._places_of(deployment)
        for name, row in zip(SETTINGS, rows.settings, strict=True):
            getattr(self._decision, name)[0, s] = row
        self._decision.timeout_ns[0, s] = rows.timeout_ns
        self._decision.share_milli[0, r] = rows.share_milli
        self._told.add(deployment.device)
        if len(self._told) == self.cluster.D and self.window >= 0:
            self._simulate()

    def end(self, window: int) -> None:
        """Simulate up to the end of `window`, if that is still to be done. The first call begins the window after."""
        if self.window < 0:
            self.window = window + 1
            self._ended_ns = time.monotonic_ns()
        while self.window <= window:
            self._simulate()
            self._simulated = False
            self._told.clear()
            self.window += 1
            self.steps += 1
            self._ended_ns = time.monotonic_ns()
            self._count_on()

    def go_on(self, now_ns: int) -> None:
        """Time passes also where no node asks: end the window if its end is half a window past."""
        if self.window >= 0 and now_ns > self._ended_ns + 3 * self._period_ns // 2:
            ended_ns = self._ended_ns + self._period_ns
            self.end(self.window)
            self._ended_ns = ended_ns

    def present(self, device: str) -> bool:
        """Whether the scenario has the device there."""
        return bool(self._table["present"][self._number[device]])

    def read(self, deployment: Deployment) -> ObsRows:
        """What a device knows at the end of the last window; not to be changed, and good until the next one ends.

        The fate of a camera's results is reported by the camera's device.
        """
        d, cluster, table = deployment.index, self.cluster, self._table
        _, s, r, c = self._places_of(deployment)
        results = np.zeros((len(RESULTS), cluster.C), np.int64)
        held = np.zeros((len(HELD), cluster.C), np.int64)
        results[:, c], held[:, c] = table["results"][:, c], table["held"][:, c]
        up_bps, down_bps = table["bandwidth_bps"][[d, cluster.D + d]]
        return ObsRows(
            counters=table["counters"][:, s],
            state=table["state"][:, s],
            in_force=table["in_force"][:, s],
            queue=table["queue"][s],
            flags=table["flags"][:, s],
            share_milli=table["share_milli"][r],
            device_counters=np.array([self._gpu_busy_ns[d], *self._links[:, :, d].ravel()], np.int64),
            device=np.array([table["cpu_threads"][d], up_bps, down_bps, *_UNKNOWN], np.int64),
            cameras=self._cameras[:, c],
            results=results,
            held=held,
            histograms=self._histograms[:, s],
        )

    def _simulate(self) -> None:
        """The window that runs, if that has not been done."""
        if not self._simulated:
            self._telemetry = self._backend.step(self._decision)
            self._decision = Decision.keep(self.cluster)
            self._simulated = True

    def _places_of(self, deployment: Deployment) -> _Places:
        found = self._places.get(deployment.device)
        if found is None or found.deployment is not deployment:
            indices = (deployment.instance_index(), deployment.route_index(), deployment.camera_index())
            found = self._places[deployment.device] = _Places(deployment, *map(_span, indices))
        return found

    def _count_on(self) -> None:
        t, cluster = self._telemetry, self.cluster
        self._histograms[0] += t.latency_hist[0]
        self._histograms[1] += t.leaf_hist[0]
        self._cameras += [t.frames[0], t.objects[0]]
        self._gpu_busy_ns += t.gpu_busy_ns[0]
        for k, name in enumerate(("sent_bytes", "link_busy_ns")):
            self._links[k] += getattr(t, name)[0].reshape(2, cluster.D)
        self._tabulate()

    def _tabulate(self) -> None:
        """The window's telemetry in blocks, once for all devices."""
        t = self._telemetry
        names = {
            "counters": tuple("total_" + name for name in COUNTERS),
            "state": STATE,
            "in_force": IN_FORCE,
            "results": tuple("total_" + name for name in RESULTS),
            "held": HELD,
        }
        self._table = {block: np.stack([getattr(t, name)[0] for name in rows]) for block, rows in names.items()}
        for name in ("queue", "share_milli", "bandwidth_bps", "cpu_threads", "present"):
            self._table[name] = getattr(t, name)[0].copy()
        # The simulator's instances have no faults of their own.
        # The simulator's instances have no faults of their own.
        self._table["flags"] = np.zeros((len(FLAGS), self.cluster.S), np.int8)
        self._table["flags"][:2] = t.active[0], t.set_by[0]
