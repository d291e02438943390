"""What OctoCross and the rivals' forecasters learn from: loads of one site's nodes, one sample per second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from octogym.cluster.offloading.correlation import Correlation
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.results import frame_objects, leaves_per_crop
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import SERVER
from octogym.cluster.traces import CountSeries, RateSeries, TraceSet
from octogym.cluster.workload import DEFAULT_BIT_PER_S, LinkPlan, RateTable, WorkloadPlan
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.labels import CAPACITY
from octogym.scheduler.octocross.windows import Split, chronological
from octogym.scheduler.offload.sample import PLANNED

#: Where a table of counts says nothing of the network: link rate (bit/s), size of a crop, latency (seconds, one way).
LINK_BPS, CROP_BYTES, LATENCY_S = 50e6, 8_000.0, 0.002
#: Objects per frame of the server that a table of counts is given (specification 7.6), and its name.
SERVER_CAPACITY, SERVER_NAME = 22.3, "server"
#: The horizon for which a series' parts are cut apart, if nothing else is said: that of the preset `paper`.
HORIZON = 32
#: Part of a scenario's training traces that is kept for validation.
VALIDATION_SHARE = 0.15
#: The physical view is worked out once in so many samples.
_STRIDE = 8


@dataclass(frozen=True, eq=False)
class LoadSeries:
    """T samples at 1 Hz of a site of N nodes, servers among them (they make no load).

    Attributes:
        name: of the site.
        nodes: [N] names; the rows of the model's positional table are given by them.
        loads: float64 [T, N], objects per frame that the nodes' own cameras made; 0 where there was none.
        available: bool [T, N]: the node was there.
        capacity: float64 [N], objects per frame, as `Sample.capacity`.
        link_rates, down_rates: float64 [T, N], bit/s, up and down.
        split: times t of windows (history before t, targets from t on) for training, validation and test.
        servers: bool [N].
        crop_bytes: float64 [N], of one object sent. latency_s: of a link, one way.
    """

    name: str
    nodes: tuple[str, ...]
    loads: np.ndarray
    available: np.ndarray
    capacity: np.ndarray
    link_rates: np.ndarray
    down_rates: np.ndarray
    split: Split
    servers: np.ndarray
    crop_bytes: np.ndarray = field(default_factory=lambda: np.array(CROP_BYTES))
    latency_s: float = LATENCY_S

    def __post_init__(self) -> None:
        shape = (len(self.loads), len(self.nodes))
        for name in ("loads", "available", "link_rates", "down_rates"):
            if np.shape(getattr(self, name)) != shape:
                raise SchedulerError(f"{self.name}: {name} {np.shape(getattr(self, name))}: expected {shape}")
        for name in ("capacity", "servers"):
            if np.shape(getattr(self, name)) != shape[1:]:
                raise SchedulerError(f"{self.name}: {name} {np.shape(getattr(self, name))}: expected {shape[1:]}")
        for name in ("loads", "capacity", "link_rates", "down_rates"):
            values = getattr(self, name)
            if not np.isfinite(values).all() or (values < 0).any():
                raise SchedulerError(f"{self.name}: {name}: expected finite numbers from 0")
        if len(set(self.nodes)) < len(self.nodes):
            raise SchedulerError(f"{self.name}: nodes: a name stands twice")
        object.__setattr__(self, "crop_bytes", np.broadcast_to(self.crop_bytes, shape[1:]))

    def __len__(self) -> int:
        return len(self.loads)

    @cached_property
    def cameras(self) -> np.ndarray:
        """bool [N]: nodes that ever made a load, or could have."""
        return ~self.servers

    def physical(self, t: int) -> np.ndarray:
        """float32 [N, N]: the physical view as it was learned from the samples before ``t``, a few seconds old."""
        view: np.ndarray = self._physical[t // _STRIDE]
        return view

    @cached_property
    def _physical(self) -> np.ndarray:
        seen = Correlation(1, len(self.nodes))
        views = [np.zeros((len(self.nodes), len(self.nodes)), np.float32)]
        for t, x in enumerate(self.loads, 1):
            seen.push(x[None])
            if t % _STRIDE == 0:
                views.append(seen.view()[0].astype(np.float32))
        return np.stack(views)


def of_table(
    name: str,
    nodes: Sequence[str],
    loads: np.ndarray,
    *,
    available: np.ndarray | None = None,
    capacity: np.ndarray | float = CAPACITY,
    links: Sequence[RateSeries] = (),
    server_capacity: float | None = SERVER_CAPACITY,
    horizon: int = HORIZON,
    split: Split | None = None,
) -> LoadSeries:
    """A series from a table of loads at 1 Hz.

    Args:
        loads: [T, N] objects per frame; what is there where ``available`` is False does not matter.
        capacity: objects per frame, for all nodes or [N].
        links: uplink rates, node n has the one at n modulo their number; `LINK_BPS` without.
        server_capacity: objects per frame of one more node, a server with a fast link; None: no server.
        horizon: samples that are forecast; `split` is chronological by it unless given.
    """
    x = np.asarray(loads, np.float64)
    if x.ndim != 2 or x.shape[1] != len(nodes):
        raise SchedulerError(f"{name}: loads {x.shape}: expected [T, {len(nodes)}], a column per node")
    steps, count = x.shape
    there = np.ones(x.shape, bool) if available is None else np.asarray(available, bool)
    x = np.where(there, x, 0.0)
    rates = np.full(x.shape, LINK_BPS)
    for n in range(count if links else 0):
        rates[:, n] = rate_at(links[n % len(links)], np.arange(steps))
    limit = np.broadcast_to(np.asarray(capacity, np.float64), (count,))
    names, servers = tuple(nodes), np.zeros(count, bool)
    if server_capacity is not None:
        names, servers = (*names, SERVER_NAME), np.append(servers, True)
        x, there = np.pad(x, ((0, 0), (0, 1))), np.pad(there, ((0, 0), (0, 1)), constant_values=True)
        rates = np.pad(rates, ((0, 0), (0, 1)), constant_values=1e9)
        limit = np.append(limit, server_capacity)
    found = chronological(steps, horizon) if split is None else split
    return LoadSeries(name, names, x, there, limit, rates, np.full(x.shape, 1e9), found, servers)


def of_counts(
    name: str,
    cameras: Mapping[str, CountSeries],
    *,
    per_second: str = "last",
    capacity: np.ndarray | float = CAPACITY,
    links: Sequence[RateSeries] = (),
    server_capacity: float | None = SERVER_CAPACITY,
    horizon: int = HORIZON,
) -> LoadSeries:
    """A series from counts per frame or second, as the trace loaders give them; further arguments as `of_table`.

    Args:
        cameras: series by name, all of one rate, a whole number per second. A series
            that ends before the others is not available from there on.
        per_second: what stands for a second: ``"last"`` of its samples, as in the published tables, or their
            ``"mean"``, as telemetry has it.

    Raises:
        SchedulerError: no cameras, other rates or another ``per_second``.
    """
    rates = sorted({one.rate_hz for one in cameras.values()})
    if len(rates) != 1 or rates[0] != round(rates[0]):
        raise SchedulerError(f"{name}: rates {rates} per second: expected one, a whole number")
    if per_second not in ("last", "mean"):
        raise SchedulerError(f"per_second = {per_second!r}: expected 'last' or 'mean'")
    step = round(rates[0])
    steps = max(len(one) for one in cameras.values()) // step
    if not steps:
        raise SchedulerError(f"{name}: shorter than a second")
    loads, there = np.zeros((steps, len(cameras))), np.zeros((steps, len(cameras)), bool)
    for n, one in enumerate(cameras.values()):
        whole = len(one) // step
        frames = one.total()[: whole * step].reshape(whole, step)
        there[:whole, n] = (frames >= 0).all(1)
        loads[:whole, n] = np.maximum(frames, 0).mean(1) if per_second == "mean" else np.maximum(frames[:, -1], 0)
    return of_table(
        name,
        tuple(cameras),
        loads,
        available=there,
        capacity=capacity,
        links=links,
        server_capacity=server_capacity,
        horizon=horizon,
    )


def of_traces(traces: TraceSet, *, least_s: float = 200.0, horizon: int = HORIZON, **more: Any) -> list[LoadSeries]:
    """The sites of a set of traces: cameras whose names agree up to the last ``/`` see one site. Sites shorter than
    ``least_s`` are left out. Further arguments as `of_counts`."""
    sites: dict[str, dict[str, CountSeries]] = {}
    for name, one in traces.counts.items():
        sites.setdefault(name.rpartition("/")[0], {})[name] = one
    long = {site: found for site, found in sites.items() if max(s.duration_s for s in found.values()) >= least_s}
    return [of_counts(site, found, horizon=horizon, **more) for site, found in long.items()]


def of_scenario(
    scenario: Scenario, seed: int, *, horizon: int = HORIZON, validation: float = VALIDATION_SHARE
) -> LoadSeries:
    """One episode of a scenario's workload, as the simulator plays it: its nodes, capacities, links, absences.

    The split is one of the traces that the episode reads, not of the episode: the last ``validation`` of them are for
    validation, whatever the episode's offset, so that episodes of several seeds may be learned from together. Where
    cameras read their traces from different offsets it is the end of the episode. There is no test part: load the
    scenario's own test split for that.

    Raises:
        SchedulerError: the scenario has nothing to offload.
    """
    cluster = scenario.cluster
    try:
        layout = OffloadLayout(cluster, cluster.D)
    except ValueError as error:
        raise SchedulerError(str(error)) from None
    plan = scenario.plan(seed)
    worth = leaves_per_crop(cluster) > 0
    steps, count = int(scenario.horizon_s), layout.M
    loads = np.zeros((steps, count))
    made, fps = np.zeros((steps, count)), []
    for c, (camera, n) in enumerate(zip(cluster.cameras, layout.camera_agent.tolist(), strict=True)):
        if n < 0:
            continue
        frames = frame_objects(scenario, c, plan.cameras[c]) @ worth[c]
        second = np.floor(np.arange(len(frames)) / camera.fps).astype(np.int64)
        np.add.at(made[:, n], second[second < steps], frames[second < steps])
        fps.append(camera.fps)
    mean_fps = float(np.mean(fps))
    there = np.ones((steps, count), bool)
    for m, d in enumerate(layout.node_device.tolist()):
        for leaves, returns in np.asarray(plan.absent_ns[d]) // 1_000_000_000:
            there[leaves:returns, m] = False
    loads = np.where(there, made / mean_fps, 0.0)
    up, down = (
        np.stack([link_rate(scenario.rates, plan.links[link], steps) for link in first + layout.node_device], 1)
        for first in (0, cluster.D)
    )
    crop = np.full(count, layout.crop_bytes.mean())
    crop[: layout.N] = layout.crop_bytes
    return LoadSeries(
        name=scenario.name,
        nodes=tuple(cluster.devices[d].id for d in layout.node_device),
        loads=loads,
        available=there,
        capacity=PLANNED * layout.capacity / mean_fps,
        link_rates=up,
        down_rates=down,
        split=_trace_split(scenario, plan, steps, horizon, validation),
        servers=np.array([cluster.devices[d].role == SERVER for d in layout.node_device]),
        crop_bytes=crop,
        latency_s=cluster.link_latency_ns / 1e9,
    )


def _trace_split(scenario: Scenario, plan: WorkloadPlan, steps: int, horizon: int, validation: float) -> Split:
    """See `of_scenario`."""
    position = np.zeros((steps, len(plan.cameras)))
    for c, camera in enumerate(plan.cameras):
        row = max(int(camera.series[0]), 0)
        length, rate = int(scenario.counts.length[row]), int(scenario.counts.rate_milli_hz[row])
        position[:, c] = (int(camera.offset[0]) + np.arange(steps) * rate / 1000) % length / length
    if np.ptp(position, axis=1).max() > 1e-3:
        found = chronological(steps, horizon, (1.0 - validation, validation, 0.0))
        return Split(found.train, found.validation, found.test)
    held = position[:, 0] >= 1.0 - validation
    times = np.arange(1, steps - horizon + 1)
    count = np.cumsum(np.append(0, held))
    inside = count[times + horizon] - count[times]
    return Split(times[inside == 0], times[inside == horizon], times[:0])


def link_rate(table: RateTable, link: LinkPlan, steps: int) -> np.ndarray:
    """float64 [steps], bit/s at the begin of each second of an episode."""
    t_ns = np.arange(steps, dtype=np.int64) * 1_000_000_000
    factor = link.factor_milli[np.searchsorted(link.start_ns, t_ns, "right") - 1] / 1000.0
    if link.series < 0:
        return DEFAULT_BIT_PER_S * factor
    n = link.series
    size = int(table.length[n])
    at = (link.offset_ns + t_ns) % int(table.end_ns[n])
    rate: np.ndarray = table.bit_per_s[n, np.searchsorted(table.t_ns[n, :size], at, "right") - 1] * factor
    return rate


def rate_at(series: RateSeries, seconds: np.ndarray) -> np.ndarray:
    """float64, bit/s of a link at each of ``seconds``; past its end the series begins anew."""
    t_ns = (np.asarray(seconds) * 1e9).astype(np.int64) % series.end_ns
    at = np.searchsorted(series.t_ns, t_ns, "right") - 1
    return np.asarray(series.bit_per_s)[at].astype(np.float64)
