"""Between a cluster's arrays and its devices' rows: decisions are cut, observations gathered into one Telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.rows import (
    COUNTERS,
    DEVICE,
    DEVICE_COUNTERS,
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
from octogym.cluster.telemetry import BINS, Telemetry
from octogym.cluster.topology import Cluster

_DTYPES = {
    **dict.fromkeys(("active", "set_by", "present", "valid"), np.int8),
    **dict.fromkeys((*IN_FORCE, "queue", "cpu_threads"), np.int32),
    **dict.fromkeys(("latency_hist", "leaf_hist"), np.uint32),
    "share_milli": np.uint16,
}
_DEVICES = ("present", "gpu_busy_ns", "cpu_threads")
_LINKS = ("bandwidth_bps", "sent_bytes", "link_busy_ns")
_CAMERAS = ("frames", "objects")
_OVERDUE = HELD.index("overdue")


class Places:
    """Where the rows of each device stand in the cluster's arrays.

    All devices' rows one after the other are the order of devices; `instances`, `routes`, `cameras` (intp) lead from
    there to the cluster's, and `spans` holds each device's slices of instances, routes and cameras.
    """

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        parts = [(part.instance_index(), part.route_index(), part.camera_index()) for part in deployments]
        self.instances, self.routes, self.cameras = (np.concatenate(group) for group in zip(*parts, strict=True))
        self.spans: list[tuple[slice, slice, slice]] = []
        s = r = c = 0
        for instances, routes, cameras in parts:
            t, u, v = s + len(instances), r + len(routes), c + len(cameras)
            self.spans.append((slice(s, t), slice(r, u), slice(c, v)))
            s, r, c = t, u, v


class Cutter:
    """Cuts decisions into the rows of each device."""

    def __init__(self, deployments: Mapping[str, Deployment]) -> None:
        self._devices, self._places = list(deployments), Places(list(deployments.values()))

    def cut(self, decision: Decision) -> dict[str, DecisionRows]:
        """Every device's rows of environment 0, copies of the decision's."""
        places = self._places
        settings = np.stack([getattr(decision, name)[0] for name in SETTINGS]).astype(np.int32)[:, places.instances]
        timeout_ns, share_milli = decision.timeout_ns[0, places.instances], decision.share_milli[0, places.routes]
        return {
            device: DecisionRows(settings[:, s], timeout_ns[s], share_milli[r])
            for device, (s, r, _) in zip(self._devices, places.spans, strict=True)
        }


def blank(cluster: Cluster) -> Telemetry:
    """Telemetry of one environment, all zeros."""
    shapes: dict[str, tuple[int, ...]] = {field.name: (1, cluster.S) for field in fields(Telemetry)}
    shapes.update(dict.fromkeys(("t_ns", "window_ns"), (1,)))
    shapes.update(queue=(1, cluster.S, 5), share_milli=(1, cluster.R))
    shapes.update(dict.fromkeys(("latency_hist", "leaf_hist"), (1, cluster.S, BINS)))
    shapes.update(dict.fromkeys(_DEVICES, (1, cluster.D)))
    shapes.update(dict.fromkeys(_LINKS, (1, cluster.L)))
    cameras = (*_CAMERAS, *RESULTS, *("total_" + name for name in RESULTS), *HELD)
    shapes.update(dict.fromkeys(cameras, (1, cluster.C)))
    return Telemetry(**{name: np.zeros(shape, _DTYPES.get(name, np.int64)) for name, shape in shapes.items()})


@dataclass
class _Counts:
    """What counts on, of all devices in their order."""

    counters: np.ndarray  # int64 [9, S]
    histograms: np.ndarray  # uint32 [2, S, bins]
    cameras: np.ndarray  # int64 [2, C]
    device_counters: np.ndarray  # int64 [D, 5]
    results: np.ndarray  # int64 [D, 6, C]

    @classmethod
    def zeros(cls, cluster: Cluster) -> _Counts:
        return cls(
            np.zeros((len(COUNTERS), cluster.S), np.int64),
            np.zeros((2, cluster.S, BINS), np.uint32),
            np.zeros((len(_CAMERAS), cluster.C), np.int64),
            np.zeros((cluster.D, len(DEVICE_COUNTERS)), np.int64),
            np.zeros((cluster.D, len(RESULTS), cluster.C), np.int64),
        )

    def take(self, other: _Counts) -> None:
        for field in fields(self):
            getattr(self, field.name)[...] = getattr(other, field.name)


class Gatherer:
    """Keeps the rack's one `Telemetry` up to date with what its devices report.

    Counts of a window are differences of what a device has counted in all, so that a lost report loses nothing: where
    it is silent its rows stand still, with counts 0 and `valid` 0, and its next report brings what came meanwhile.
    Counts of results are sums over all devices, since a camera's results end wherever their last stage runs.
    """

    def __init__(self, cluster: Cluster, deployments: Mapping[str, Deployment]) -> None:
        self.cluster = cluster
        self.telemetry = blank(cluster)
        self._places = Places([deployments[device.id] for device in cluster.devices])
        self._now, self._before = _Counts.zeros(cluster), _Counts.zeros(cluster)
        self.begin()

    def begin(self) -> Telemetry:
        """A new episode: nothing counted, every instance as the scenario places it, nothing heard."""
        t, cluster, places = self.telemetry, self.cluster, self._places
        for field in fields(Telemetry):
            getattr(t, field.name)[...] = 0
        for counts in (self._now, self._before):
            for field in fields(counts):
                getattr(counts, field.name)[...] = 0
        self._state = np.zeros((len(STATE), cluster.S), np.int64)
        self._in_force = np.zeros((len(IN_FORCE), cluster.S), np.int32)
        self._queue = np.zeros((cluster.S, 5), np.int32)
        self._flags = np.zeros((len(FLAGS), cluster.S), np.int8)
        for k, s in enumerate(places.instances):
            instance = cluster.instances[s]
            given = instance.initial
            self._in_force[:, k] = given.pack, given.batch, given.pre, given.post, given.pre, given.post
            self._state[STATE.index("timeout_ns"), k] = given.timeout_ns
            self._flags[FLAGS.index("active"), k] = instance.active
        self._share_milli = np.array([cluster.routes[r].share_milli for r in places.routes], np.uint16)
        self._device = np.zeros((cluster.D, len(DEVICE)), np.int64)
        self._held = np.zeros((cluster.D, len(HELD), cluster.C), np.int64)
        self._show()
        return t

    def time(self, t_ns: int, window_ns: int) -> None:
        """What the next reports are about. To be called before them, once per step."""
        self.telemetry.t_ns[0], self.telemetry.window_ns[0] = t_ns, window_ns
        self._before.take(self._now)

    def silent(self, device: int, present: bool, age_ns: int) -> None:
        """A device of which nothing new is known."""
        self._mark(device, present, False, age_ns)

    def heard(self, device: int, rows: ObsRows, present: bool = True, fresh: bool = True, age_ns: int = 0) -> None:
        """What a device has counted since the episode began, and how things stand there. `fresh`: at this very time."""
        self._mark(device, present, fresh, age_ns)
        now, (s, r, c) = self._now, self._places.spans[device]
        now.counters[:, s], now.histograms[:, s], now.cameras[:, c] = rows.counters, rows.histograms, rows.cameras
        now.device_counters[device], now.results[device] = rows.device_counters, rows.results
        self._state[:, s], self._in_force[:, s], self._queue[s] = rows.state, rows.in_force, rows.queue
        self._flags[:, s], self._share_milli[r] = rows.flags, rows.share_milli
        self._device[device], self._held[device] = rows.device, rows.held

    def sums(self) -> Telemetry:
        """The telemetry, after all reports of a step."""
        self._show()
        t, now, before, cluster = self.telemetry, self._now, self._before, self.cluster
        s, c = self._places.instances, self._places.cameras
        counted = now.counters - before.counters
        for name, row, total in zip(COUNTERS, counted, now.counters, strict=True):
            getattr(t, name)[0, s], getattr(t, "total_" + name)[0, s] = row, total
        t.latency_hist[0, s], t.leaf_hist[0, s] = now.histograms - before.histograms
        for name, row in zip(_CAMERAS, now.cameras - before.cameras, strict=True):
            getattr(t, name)[0, c] = row
        t.gpu_busy_ns[0], up, down, up_ns, down_ns = (now.device_counters - before.device_counters).T
        t.sent_bytes[0], t.link_busy_ns[0] = np.concatenate([up, down]), np.concatenate([up_ns, down_ns])
        results = now.results.sum(0)
        for name, total, then in zip(RESULTS, results, before.results.sum(0), strict=True):
            getattr(t, "total_" + name)[0] = total
            getattr(t, name)[0] = total - then
        # What is neither counted nor held by a device that was heard is on its way, or on a device that was not.
        t.in_flight[0] = results[0] - results[1:].sum(0)
        t.overdue[0] = self._held[:, _OVERDUE].sum(0)
        t.bandwidth_bps[0, : cluster.D] = np.maximum(self._device[:, DEVICE.index("up_bps")], 0)
        t.bandwidth_bps[0, cluster.D :] = np.maximum(self._device[:, DEVICE.index("down_bps")], 0)
        t.cpu_threads[0] = self._device[:, DEVICE.index("cpu_threads")]
        return t

    def _show(self) -> None:
        """How things stand."""
        t, s = self.telemetry, self._places.instances
        for names, block in ((STATE, self._state), (IN_FORCE, self._in_force), (FLAGS[:2], self._flags)):
            for name, row in zip(names, block, strict=False):
                getattr(t, name)[0, s] = row
        t.queue[0, s] = self._queue
        t.share_milli[0, self._places.routes] = self._share_milli

    def _mark(self, device: int, present: bool, fresh: bool, age_ns: int) -> None:
        t, s = self.telemetry, self._places.instances[self._places.spans[device][0]]
        t.present[0, device], t.valid[0, s], t.age_ns[0, s] = present, fresh, age_ns
