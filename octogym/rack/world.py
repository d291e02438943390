"""The world of a simulated rack: one simulator, whose devices are steered and seen by a node each."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.observations import ObsRows
from octogym.bridge.protocol.rows import (
    COUNTERS,
    DEVICE,
    FLAGS,
    HELD,
    IN_FORCE,
    RESULTS,
    SETTINGS,
    STATE,
    DecisionRows,
)
from octogym.cluster.decision import Decision
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import KEEP
from octogym.cluster.telemetry import BINS
from octogym.rack.onboard import OnboardPolicy
from octogym.sim import SimBackend


class _Places(NamedTuple):
    """Where a deployment's rows stand in the cluster's arrays."""

    deployment: Deployment
    instances: np.ndarray | slice
    routes: np.ndarray | slice
    cameras: np.ndarray | slice
    #: Of its own cameras, among those whose results may end there.
    results: np.ndarray | slice


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
        agent: policy that decides on devices under control of an agent; None: there is none.
    """

    def __init__(self, scenario: Scenario, period_ns: int | None = None, agent: str | None = None) -> None:
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
        self._agent = None if agent is None else OnboardPolicy(agent, cluster)
        self._episode: Hashable = None
        # The simulator is compiled now, not in the first window.
        self._backend.reset(0)
        self._backend.step(self._decision)
        self._begin(0)

    def _begin(self, seed: int) -> None:
        self._telemetry = self._backend.reset(seed)
        if self._agent is not None:
            self._agent.reset(seed)
        self._told: set[str] = set()
        # Counted on by every window that is simulated, also by that which runs.
        self._histograms = np.zeros((2, self.cluster.S, BINS), np.uint32)
        # What is known at the end of the last window, and of that which runs: None before it is simulated.
        self._table = self._tabulate()
        self._coming: dict[str, np.ndarray] | None = None

    def reset(self, episode: Hashable, seed: int) -> None:
        """Begin an episode, unless it has begun: every node asks for it, also one that comes late."""
        if episode == self._episode:
            return
        self._episode, self.window = episode, -1
        self._decision = Decision.keep(self.cluster)
        self._begin(seed)

    def onboard(self, deployment: Deployment) -> DecisionRows | None:
        """What a device's agents decide for the window that runs; None without any."""
        if self._agent is None or self.window < 0:
            return None
        decision, s = self._agent.decide(self.window, self._telemetry), self._places_of(deployment).instances
        rows = DecisionRows.keep(deployment)
        for name, row in zip(SETTINGS[1:], rows.settings[1:], strict=True):
            row[:] = getattr(decision, name)[0, s]
        rows.timeout_ns[:] = decision.timeout_ns[0, s]
        return rows

    def propose(self, deployment: Deployment, rows: DecisionRows) -> None:
        """Set what a device's agents decide for the window that runs, and nothing else; the host's word is awaited."""
        s = self._places_of(deployment).instances
        for name, row in (*zip(SETTINGS, rows.settings, strict=True), ("timeout_ns", rows.timeout_ns)):
            there = getattr(self._decision, name)
            there[0, s] = np.where(row == KEEP, there[0, s], row)

    def apply(self, deployment: Deployment, rows: DecisionRows) -> None:
        """Set a device's decision for the window that runs."""
        _, s, r, _, _ = self._places_of(deployment)
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
            assert self._coming is not None
            self._table, self._coming = self._coming, None
            self._told.clear()
            self.window += 1
            self.steps += 1
            self._ended_ns = time.monotonic_ns()

    def go_on(self, now_ns: int) -> None:
        """Time passes also where no node asks: end the window if its end is half a window past."""
        if self.window >= 0 and now_ns > self._ended_ns + 3 * self._period_ns // 2:
            ended_ns = self._ended_ns + self._period_ns
            self.end(self.window)
            self._ended_ns = ended_ns

    def present(self, device: str) -> bool:
        """Whether the scenario has the device there."""
        return bool(self._table["present"][self._number[device]])

    @property
    def known(self) -> bool:
        """Whether the end of the window that runs is known already."""
        return self._coming is not None

    def read(self, deployment: Deployment, rows: ObsRows, coming: bool = False) -> None:
        """Write into `rows` what a device knows at the end of the last window, or of that which runs (if `known`).

        The fate of a camera's results is reported by the camera's device.
        """
        table = self._coming if coming else self._table
        assert table is not None
        d, (_, s, r, c, own) = deployment.index, self._places_of(deployment)
        rows.counters[:], rows.state[:] = table["counters"][:, s], table["state"][:, s]
        rows.in_force[:], rows.flags[:] = table["in_force"][:, s], table["flags"][:, s]
        rows.queue[:], rows.share_milli[:] = table["queue"][s], table["share_milli"][r]
        rows.device_counters[:], rows.device[:] = table["device_counters"][d], table["device"][d]
        rows.cameras[:] = table["cameras"][:, c]
        rows.results[:, own], rows.held[:, own] = table["results"][:, c], table["held"][:, c]
        rows.histograms[:] = self._histograms[:, s]
        if self.known and not coming:
            t = self._telemetry
            rows.histograms[0] -= t.latency_hist[0, s]
            rows.histograms[1] -= t.leaf_hist[0, s]

    def _simulate(self) -> None:
        """The window that runs, if that has not been done."""
        if self._coming is None:
            self._telemetry = t = self._backend.step(self._decision)
            self._decision = Decision.keep(self.cluster)
            self._histograms[0] += t.latency_hist[0]
            self._histograms[1] += t.leaf_hist[0]
            self._coming = self._tabulate(self._table)

    def _places_of(self, deployment: Deployment) -> _Places:
        found = self._places.get(deployment.device)
        if found is None or found.deployment is not deployment:
            own = np.array([deployment.results.index(camera.id) for camera in deployment.cameras], np.intp)
            indices = (deployment.instance_index(), deployment.route_index(), deployment.camera_index(), own)
            found = self._places[deployment.device] = _Places(deployment, *map(_span, indices))
        return found

    def _tabulate(self, before: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """The window's telemetry in blocks, once for all devices. What the simulator counts per window counts on from
        `before`."""
        t, cluster = self._telemetry, self.cluster
        names = {
            "counters": tuple("total_" + name for name in COUNTERS),
            "state": STATE,
            "in_force": IN_FORCE,
            "results": tuple("total_" + name for name in RESULTS),
            "held": HELD,
        }
        table = {block: np.stack([getattr(t, name)[0] for name in rows]) for block, rows in names.items()}
        for name in ("queue", "share_milli", "present"):
            table[name] = getattr(t, name)[0].copy()
        # The simulator's instances have no faults of their own.
        table["flags"] = np.zeros((len(FLAGS), cluster.S), np.int8)
        table["flags"][:2] = t.active[0], t.set_by[0]
        table["device"] = np.full((cluster.D, len(DEVICE)), -1, np.int64)
        table["device"][:, 0], table["device"][:, 1:3] = t.cpu_threads[0], t.bandwidth_bps[0].reshape(2, -1).T
        links = np.concatenate([t.sent_bytes[0], t.link_busy_ns[0]]).reshape(4, -1)
        table["device_counters"] = np.column_stack([t.gpu_busy_ns[0], *links])
        table["cameras"] = np.stack([t.frames[0], t.objects[0]])
        for name in ("device_counters", "cameras"):
            table[name] = table[name] + before[name] if before is not None else np.zeros_like(table[name])
        return table
