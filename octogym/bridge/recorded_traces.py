"""A recorded run as a scenario: what its cameras saw, what its links gave and who was there drive the simulator.

A recording has sums per window, so this much is ours: objects are spread evenly over the frames of the windows that a
report covered; classes of objects are told apart by what arrived at the stages that take them and by how many results
came of it; a link's rate at a window's end holds until the next one's. A window that no report ever covered is one
without frames; where its device was not there either, the device is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octogym.bridge.recording import Recording, RecordingError
from octogym.cluster.errors import ScenarioError
from octogym.cluster.offloading.results import leaves_per_crop
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster
from octogym.cluster.workload import (
    END_UNAVAILABLE,
    CameraPlan,
    CountTable,
    LinkPlan,
    RateTable,
    WorkloadPlan,
)

_SECOND = 1_000_000_000
_MOST = np.iinfo(np.int16).max
_OPTIONS = ("horizon_s", "trace_offset_s")


@dataclass(frozen=True)
class Recorded:
    """A planner: every episode is the recorded one, from `trace_offset_s` on. The seed draws the rest: phases of
    cameras, children of objects. `absent_ns`: per device int64 [K, 2]."""

    cluster: Cluster
    links: tuple[int, ...]  # [2 D], row of the RateTable or -1
    absent_ns: tuple[np.ndarray, ...]

    def plan(self, seed: int, options: Mapping[str, Any]) -> WorkloadPlan:
        for name in options:
            if name not in _OPTIONS:
                raise ScenarioError("reset options", str(name), options[name], f"{_OPTIONS}: a recording is as it is")
        offset_s = options.get("trace_offset_s") or 0
        if isinstance(offset_s, bool) or not isinstance(offset_s, (int, float, np.number)) or not 0 <= offset_s < 1e9:
            raise ScenarioError("reset options", "trace_offset_s", offset_s, "seconds, at least 0")
        period_ns = self.cluster.period_ns
        offset_ns = int(offset_s * _SECOND) // period_ns * period_ns  # devices leave and return at whole windows
        start, whole = np.zeros(1, np.int64), np.full(1, 1000, np.int32)
        cameras = tuple(
            CameraPlan(start, np.full(1, c, np.int32), np.full(1, _sample(offset_ns, camera.fps)), whole)
            for c, camera in enumerate(self.cluster.cameras)
        )
        links = tuple(LinkPlan(row, offset_ns if row >= 0 else 0, start, whole) for row in self.links)
        absent = (np.maximum(spans - offset_ns, 0) for spans in self.absent_ns)
        return WorkloadPlan(cameras, links, tuple(spans[spans[:, 1] > spans[:, 0]] for spans in absent))


def recorded_scenario(recording: str | Path | Recording, episode: int = 0) -> Scenario:
    """An episode of a recording as a scenario, as long as the episode was.

    Raises:
        RecordingError: no recording, no such episode, or one of less than a second.
    """
    if not isinstance(recording, Recording):
        recording = Recording(recording)
    if not 0 <= episode < len(recording.episodes):
        raise RecordingError(f"{recording.file}: episode {episode}; there are {len(recording.episodes)}, from 0")
    about, cluster = recording.about, recording.cluster
    seen = _Seen(cluster)
    for row in recording.steps(episode):
        seen.add(row.telemetry(), row.facts())
    horizon_s = seen.windows * cluster.period_ns // _SECOND
    if horizon_s < 1:
        raise RecordingError(f"{recording.file}: episode {episode} is of {seen.windows} windows, expected a second")
    rates, links = seen.rate_table()
    return Scenario(
        name=f"{about.scenario}-recorded",
        description=f"recorded on {about.scenario}: {about.description}",
        cluster=cluster,
        counts=seen.count_table(),
        rates=rates,
        planner=Recorded(cluster, links, seen.absences()),
        horizon_s=horizon_s,
        options=about.options,
        synthetic_profiles=about.synthetic_profiles,
        synthetic_traces=about.synthetic_traces,
        provenance={**about.provenance, "split": "", "traces": f"recorded in {recording.file.name}, episode {episode}"},
    )


class _Seen:
    """What an episode's reports say, gathered window by window."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.windows = cluster, 0
        self._first: list[int | None] = [None] * cluster.D  # an instance of each device
        for s, instance in reversed(list(enumerate(cluster.instances))):
            self._first[instance.device] = s
        # Per camera: windows from, to (exclusive), frames, objects.
        self._reports: list[list[tuple[int, int, int, int]]] = [[] for _ in cluster.cameras]
        self._covered: list[list[tuple[int, int]]] = [[] for _ in cluster.devices]
        self._present: list[np.ndarray] = []
        self._rates: list[np.ndarray] = []
        self._objects = np.zeros(cluster.C, np.int64)
        self._generated, self._arrived = np.zeros(cluster.C, np.int64), np.zeros(cluster.S, np.int64)

    def add(self, t: Any, facts: Mapping[str, np.ndarray] | None) -> None:
        """A step's telemetry, which may be of several windows."""
        cluster, period_ns = self.cluster, self.cluster.period_ns
        end = int(t.t_ns[0]) // period_ns
        count, self.windows = end - self.windows, end
        self._present += [t.present[0] > 0] * count
        self._rates += [t.bandwidth_bps[0].copy()] * count
        spans = [self._span(t, facts, d, end, count) for d in range(cluster.D)]
        for d, span in enumerate(spans):
            if span is not None:
                self._covered[d].append(span)
        for c, camera in enumerate(cluster.cameras):
            span = spans[camera.device]
            if span is not None:
                self._reports[c].append((*span, int(t.frames[0, c]), int(t.objects[0, c])))
        self._objects += t.objects[0]
        self._generated, self._arrived = t.total_generated[0].copy(), t.total_arrived[0].copy()

    def _span(
        self, t: Any, facts: Mapping[str, np.ndarray] | None, d: int, end: int, count: int
    ) -> tuple[int, int] | None:
        """The windows that device d's new counts cover; None if there are none."""
        s = self._first[d]
        if facts is None or s is None:
            return (end - count, end) if t.present[0, d] else None
        windows = round(float(facts["window_s"][0, s]) * _SECOND / self.cluster.period_ns)
        end -= round(int(t.age_ns[0, s]) / self.cluster.period_ns)
        return (max(0, end - windows), end) if windows > 0 and end > 0 else None

    # --- cameras ----------------------------------------------------------------------------------------------------

    def count_table(self) -> CountTable:
        cluster = self.cluster
        rows = [self._counts(c, chances) for c, chances in enumerate(self._classes())]
        length = np.array([row.shape[1] for row in rows], np.int64)
        counts = np.full((cluster.C, max(1, len(cluster.classes)), int(length.max(initial=1))), -1, np.int16)
        for c, row in enumerate(rows):
            counts[c, :, : row.shape[1]] = row
        rate = np.array([round(camera.fps * 1000) for camera in cluster.cameras], np.int64)
        names = tuple(f"recorded/{camera.id}" for camera in cluster.cameras)
        return CountTable(names, counts, length, rate, END_UNAVAILABLE)

    def _counts(self, c: int, shares: np.ndarray) -> np.ndarray:
        """int16 [classes, T]: objects in each frame of camera c."""
        fps, period_ns = self.cluster.cameras[c].fps, self.cluster.period_ns
        counts = np.full((len(shares), max(1, _sample(self.windows * period_ns, fps))), -1, np.int64)
        before = np.zeros(len(shares), np.int64)
        total = 0
        for first, last, frames, objects in self._reports[c]:
            begin, end = (_sample(window * period_ns, fps) for window in (first, last))
            # A window may hold one frame more or less than the next, by the camera's phase.
            frames = end - begin if frames >= end - begin - 1 else frames
            if frames <= 0:
                continue
            running = total + objects * np.arange(1, frames + 1) // frames
            total += objects
            # Whole numbers whose sums are never off by one object.
            upto = np.floor(np.cumsum(shares)[:, None] * running + 0.5).astype(np.int64)
            upto[-1] = running
            by_class = np.diff(upto, axis=0, prepend=0)
            each = np.maximum(np.diff(by_class, axis=1, prepend=before[:, None]), 0)
            counts[:, begin : begin + frames] = np.minimum(each, _MOST)
            before = by_class[:, -1]
        return counts.astype(np.int16)

    def _classes(self) -> np.ndarray:
        """float64 [C, classes]: each class's share of a camera's objects."""
        cluster = self.cluster
        worth = leaves_per_crop(cluster)
        shares = np.zeros_like(worth)
        at = np.zeros(len(cluster.stages))
        for s, instance in enumerate(cluster.instances):
            at[instance.stage] += self._arrived[s]
        for c, camera in enumerate(cluster.cameras):
            taken: dict[int, list[float]] = {}
            for k in cluster.out_edges(camera.stage):
                taken.setdefault(cluster.edges[k].object_class, []).append(at[cluster.edges[k].target])
            if not taken:
                shares[c, 0] = 1.0
                continue
            for q, arrived in taken.items():
                shares[c, q] = sum(arrived) / len(arrived)
            mix = shares[c] / shares[c].sum() if shares[c].any() else (worth[c] > 0) / max(1, len(taken))
            # Whatever was dropped on its way: results are counted as generated with their frame.
            results = self._objects[c] * float(mix @ worth[c])
            part = min(1.0, self._generated[c] / results) if results > 0 else 1.0
            others = [q for q in range(shares.shape[1]) if q not in taken]
            # A rounding away from all is all: only as many classes as cannot be chance are left to nobody.
            part = part if others and part < 0.95 else 1.0
            shares[c] = mix * part
            if part < 1.0:
                shares[c, others[0]] = 1.0 - part
        return shares

    # --- links and devices ------------------------------------------------------------------------------------------

    def rate_table(self) -> tuple[RateTable, tuple[int, ...]]:
        """The links of which a rate was ever known, and each link's row."""
        cluster = self.cluster
        # What was in force at a window's end is so until the next one's.
        rates = np.array(self._rates[:1] + self._rates)
        known = np.flatnonzero(rates.any(0))
        links = np.full(cluster.L, -1)
        links[known] = np.arange(len(known))
        shape = (max(1, len(known)), len(rates))
        t_ns, bit_per_s = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        length, end_ns = np.ones(shape[0], np.int64), np.full(shape[0], len(rates) * cluster.period_ns)
        for row, link in enumerate(known):
            changes = np.flatnonzero(np.append(True, rates[1:, link] != rates[:-1, link]))
            length[row] = len(changes)
            t_ns[row, : len(changes)] = changes * cluster.period_ns
            bit_per_s[row, : len(changes)] = rates[changes, link]
        ids = [f"{device.id} {way}" for way in ("up", "down") for device in cluster.devices]
        names = tuple(f"recorded/{ids[link]}" for link in known) or ("recorded/none",)
        return RateTable(names, t_ns, bit_per_s, length, end_ns, END_UNAVAILABLE), tuple(links.tolist())

    def absences(self) -> tuple[np.ndarray, ...]:
        """Per device int64 [K, 2], ns: when it was not there, and nothing was heard of that time later."""
        spans = []
        for d, present in enumerate(np.array(self._present).T):
            away = ~present
            for first, last in self._covered[d]:
                away[first:last] = False
            edges = np.flatnonzero(np.diff(np.concatenate([[False], away, [False]])))
            spans.append(edges.reshape(-1, 2).astype(np.int64) * self.cluster.period_ns)
        return tuple(spans)


def _sample(t_ns: int, fps: float) -> int:
    """Samples of a camera's series before a time: the first that is not earlier."""
    return -(-t_ns * round(fps * 1000) // (1000 * _SECOND))
