"""What a rack's devices report, gathered into the one Telemetry of its cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.observations import ObsLayout, ObsRows
from octogym.bridge.protocol.rows import (
    CAMERAS,
    COUNTERS,
    DEVICE,
    FLAGS,
    HELD,
    IN_FORCE,
    RESULTS,
    STATE,
)
from octogym.bridge.scatter import Places
from octogym.cluster.telemetry import BINS, Telemetry
from octogym.cluster.telemetry_layout import zeros
from octogym.cluster.topology import Cluster

_SHOWN = FLAGS[:2]  # the third, a fault, is no telemetry
_DEVICE = [DEVICE.index(name) for name in ("cpu_threads", "up_bps", "down_bps")]
_OVERDUE = HELD.index("overdue")


class Gatherer:
    """Keeps the rack's one `Telemetry` up to date with what its devices report.

    Counts of a window are differences of what a device has counted in all, so that a lost report loses nothing: where
    it is silent its rows stand still, with counts 0 and `valid` 0, and its next report brings what came meanwhile.
    Counts of results are sums over all devices, since a camera's results end wherever their last stage runs.

    All devices' rows stand one after the other in one memory, from where indices that are made once lead to the
    telemetry: a step is a copy per device and a few operations for all of them.
    """

    def __init__(self, cluster: Cluster, deployments: Mapping[str, Deployment]) -> None:
        self.cluster = cluster
        parts = [deployments[device.id] for device in cluster.devices]
        layouts, places = [ObsLayout(part) for part in parts], Places(parts)
        ends = np.cumsum([0, *(layout.size for layout in layouts)]).tolist()
        self._spans = [slice(*pair) for pair in pairwise(ends)]
        self._memory = np.zeros(ends[-1], np.uint8)
        self._index(parts, layouts, ends, places)
        self._device_of = np.array([instance.device for instance in cluster.instances], np.intp)
        # All devices' histograms stand in one row too: where a device's begin (bins), and where each of their rows, the
        # receiver's and then the leaves' of each device, begins among the telemetry's.
        mine = [places.instances[span] for span, _, _ in places.spans]
        self._first_bin = (2 * BINS * np.cumsum([0, *map(len, mine)])).tolist()
        self._bin_rows = np.concatenate([np.concatenate([s, cluster.S + s]) for s in mine]) * BINS
        self._allocate()
        self.begin()

    def _index(
        self, parts: Sequence[Deployment], layouts: Sequence[ObsLayout], ends: Sequence[int], places: Places
    ) -> None:
        """Where each value of the telemetry stands, counted in items of its size: one index for each dtype, that of all
        values of a block one after the other. `_blocks` are the parts."""

        def at(name: str) -> list[np.ndarray]:
            found = []
            for layout, begin in zip(layouts, ends[:-1], strict=True):
                offset, dtype, shape = layout.spans[name]
                found.append((begin + offset) // dtype.itemsize + np.arange(np.prod(shape, dtype=int)).reshape(shape))
            return found

        s, c, r = (np.argsort(order) for order in (places.instances, places.cameras, places.routes))
        groups: list[tuple[Any, dict[str, np.ndarray]]] = [
            (
                np.int64,
                {
                    # What counts on comes first.
                    "counters": np.concatenate(at("counters"), 1)[:, s],
                    "cameras": np.concatenate(at("cameras"), 1)[:, c],
                    "device_counters": np.stack(at("device_counters"), 1),
                    "state": np.concatenate(at("state"), 1)[:, s],
                    "device": np.stack(at("device"), 1)[_DEVICE],
                },
            ),
            (
                np.int32,
                {"in_force": np.concatenate(at("in_force"), 1)[:, s], "queue": np.concatenate(at("queue"))[s]},
            ),
            (np.uint16, {"share_milli": np.concatenate(at("share_milli"))[r]}),
            (np.int8, {"flags": np.concatenate(at("flags"), 1)[: len(_SHOWN), s]}),
        ]
        self._at, self._blocks = dict[str, np.ndarray](), dict[str, np.ndarray]()
        self._takes: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for dtype, group in groups:
            index = np.concatenate([found.reshape(-1) for found in group.values()])
            block = np.zeros(len(index), dtype)
            self._takes.append((self._memory.view(dtype), index, block))
            begin = 0
            for name, found in group.items():
                self._blocks[name] = block[begin : begin + found.size].reshape(found.shape)
                begin += found.size
            self._at.update(group)
        # Results are summed over devices: what is counted and what is overdue, a column for each device and camera,
        # those of a camera side by side. Its own device is always among them.
        held = np.concatenate(at("held"), 1)[_OVERDUE : _OVERDUE + 1]
        camera = {camera.id: c for c, camera in enumerate(self.cluster.cameras)}
        whose = np.array([camera[name] for part in parts for name in part.results], np.intp)
        order = np.argsort(whose, kind="stable")
        self._results_at = np.concatenate([np.concatenate(at("results"), 1), held])[:, order]
        self._first_of = np.searchsorted(whose[order], np.arange(self.cluster.C))

    def _allocate(self) -> None:
        """The telemetry, whose arrays are views of blocks, so that a block is filled at once."""
        cluster, blocks, t = self.cluster, self._blocks, zeros(self.cluster)
        self.telemetry = t
        counted = [blocks[name] for name in ("counters", "cameras", "device_counters")]
        size = sum(block.size for block in counted)
        # Totals, what they were, and the difference: of what stands in the first block, and of results.
        self._totals = self._takes[0][2][:size]
        self._before, self._counts = np.zeros(size, np.int64), np.zeros(size, np.int64)
        ends = np.cumsum([block.size for block in counted])[:-1]
        parts = zip(np.split(self._counts, ends), counted, strict=True)
        counters, cameras, links = (part.reshape(block.shape) for part, block in parts)
        self._results = np.zeros((3, len(RESULTS) + 1, cluster.C), np.int64)
        self._bins = np.zeros((2, 1, cluster.S, BINS), np.uint32)
        self._bins_before = np.zeros(self._bins.size, np.uint32)
        views: dict[str, Any] = {
            **_rows(COUNTERS, counters),
            **_rows(tuple("total_" + name for name in COUNTERS), blocks["counters"]),
            **_rows(STATE, blocks["state"]),
            **_rows(IN_FORCE, blocks["in_force"]),
            **_rows(_SHOWN, blocks["flags"]),
            **_rows(CAMERAS, cameras),
            **_rows(RESULTS, self._results[2]),
            **_rows(tuple("total_" + name for name in RESULTS), self._results[0]),
            "overdue": self._results[0, -1:],
            "queue": blocks["queue"][None],
            "share_milli": blocks["share_milli"][None],
            "gpu_busy_ns": links[:1],
            "sent_bytes": links[1:3].reshape(1, -1),
            "link_busy_ns": links[3:5].reshape(1, -1),
            "latency_hist": self._bins[0],
            "leaf_hist": self._bins[1],
        }
        for name, array in views.items():
            setattr(t, name, array)

    def begin(self) -> Telemetry:
        """A new episode: nothing counted, every instance as the scenario places it, nothing heard."""
        cluster, memory = self.cluster, self._memory
        memory[:] = 0
        self._before[:] = self._results[:] = self._bins_before[:] = 0
        for field in fields(Telemetry):
            getattr(self.telemetry, field.name)[...] = 0
        self._shown: np.ndarray = np.zeros(0, np.intp)
        self._news: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._later: dict[int, list[np.ndarray]] = {}
        given = [instance.initial for instance in cluster.instances]
        initial = np.array([[s.pack, s.batch, s.pre, s.post, s.pre, s.post] for s in given], np.int32).T
        memory.view(np.int32)[self._at["in_force"]] = initial
        memory.view(np.int64)[self._at["state"][STATE.index("timeout_ns")]] = [s.timeout_ns for s in given]
        memory.view(np.int8)[self._at["flags"][0]] = [instance.active for instance in cluster.instances]
        memory.view(np.uint16)[self._at["share_milli"]] = [route.share_milli for route in cluster.routes]
        self._present, self._fresh, self._age_ns = [0] * cluster.D, [0] * cluster.D, [0] * cluster.D
        self._show()
        return self.telemetry

    def time(self, t_ns: int, window_ns: int) -> None:
        """What the next reports are about. To be called before them, once per step."""
        self.telemetry.t_ns[0], self.telemetry.window_ns[0] = t_ns, window_ns

    def silent(self, device: int, bins: np.ndarray, present: bool, age_ns: int) -> None:
        """A device of which nothing is to be shown; `bins` as in `heard`, which counts them in when it is called."""
        if len(bins):
            self._later.setdefault(device, []).append(bins)
        self._present[device], self._fresh[device], self._age_ns[device] = present, False, age_ns

    def heard(
        self,
        device: int,
        rows: ObsRows,
        bins: np.ndarray,
        present: bool = True,
        fresh: bool = True,
        age_ns: int = 0,
    ) -> None:
        """What a device has counted since the episode began, and how things stand there.

        Args:
            bins: of its histograms (in one row), at least those that have changed.
            fresh: at this very time.
        """
        self._present[device], self._fresh[device], self._age_ns[device] = present, fresh, age_ns
        self._memory[self._spans[device]] = rows.memory
        if device in self._later:
            bins = np.unique(np.concatenate([bins, *self._later.pop(device)]))
        if len(bins):
            self._news.append((self._first_bin[device], bins, rows.histograms.reshape(-1)[bins]))

    def sums(self) -> Telemetry:
        """The telemetry, after all reports of a step."""
        t, device, (results, before, counts) = self.telemetry, self._blocks["device"], self._results
        self._show()
        np.subtract(self._totals, self._before, out=self._counts)
        self._before[:] = self._totals
        before[:] = results
        np.add.reduceat(self._takes[0][0].take(self._results_at, mode="clip"), self._first_of, 1, out=results)
        np.subtract(results, before, out=counts)
        # What is neither counted nor held by a device that was heard is on its way, or on a device that was not.
        np.subtract(results[0], results[1:-1].sum(0), out=t.in_flight[0])
        self._count_bins()
        t.cpu_threads[0] = device[0]
        np.maximum(device[1:].reshape(-1), 0, out=t.bandwidth_bps[0])
        return t

    def _show(self) -> None:
        """How things stand."""
        t = self.telemetry
        for memory, index, block in self._takes:
            memory.take(index, out=block, mode="clip")
        t.present[0] = self._present
        np.array(self._fresh, np.int8).take(self._device_of, out=t.valid[0], mode="clip")
        np.array(self._age_ns, np.int64).take(self._device_of, out=t.age_ns[0], mode="clip")

    def _count_bins(self) -> None:
        flat, before = self._bins.reshape(-1), self._bins_before
        flat[self._shown] = 0
        if self._news:
            first, bins, counts = zip(*self._news, strict=True)
            row, place = np.divmod(np.concatenate(bins) + np.repeat(first, list(map(len, bins))), BINS)
            at, count = self._bin_rows[row] + place, np.concatenate(counts)
            flat[at] = count - before[at]
            before[at] = count
            self._shown = at
            self._news = []
        else:
            self._shown = self._shown[:0]


def _rows(names: tuple[str, ...], block: np.ndarray) -> dict[str, np.ndarray]:
    """Each row of a block as an array of one environment."""
    return {name: block[k : k + 1] for k, name in enumerate(names)}
