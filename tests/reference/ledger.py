"""Counters of instances and cameras, and the telemetry made of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np

from octogym.cluster.telemetry import BINS, latency_bin_edges_ns
from octogym.cluster.topology import Cluster
from tests.reference.requests import Request

if TYPE_CHECKING:
    from tests.reference.simulator import ReferenceSim

INSTANCE = (
    *("arrived", "executed", "completed", "on_time"),
    *("dropped_full", "dropped_late", "dropped_out", "failed", "lost"),
)
CAMERA = ("generated", "on_time_results", "late", "dropped", "missed", "lost_results")
_EDGES = latency_bin_edges_ns()[:-1].tolist()


class Ledger:
    """`instance[name][i]`, `camera[name][c]`: counts since the reset; telemetry takes differences."""

    def __init__(self, cluster: Cluster) -> None:
        self.instance = {name: [0] * cluster.S for name in INSTANCE}
        self.camera = {name: [0] * cluster.C for name in (*CAMERA, "frames", "objects")}
        self.unsettled: list[dict[int, int]] = [{} for _ in range(cluster.C)]  # birth -> leaves in flight
        self.latency_hist = np.zeros((cluster.S, BINS), np.uint32)
        self.leaf_hist = np.zeros((cluster.S, BINS), np.uint32)
        self.before: dict[str, list[int]] = {name: list(v) for name, v in {**self.instance, **self.camera}.items()}
        self.gpu_before = [0] * cluster.G
        self.link_before = [(0, 0)] * cluster.L

    def begin_window(self, sim: ReferenceSim) -> None:
        self.before = {name: list(values) for name, values in {**self.instance, **self.camera}.items()}
        self.latency_hist[:] = 0
        self.leaf_hist[:] = 0
        self.gpu_before = [gpu.busy_ns for gpu in sim.gpus]
        self.link_before = [(link.sent_bytes, link.busy_ns) for link in [*sim.uplinks, *sim.downlinks]]
        for instance in sim.instances:
            for thread in instance.post_threads:
                thread.average = None

    def generate(self, frame: Request, objects: int, leaves: int) -> None:
        self.camera["frames"][frame.camera] += 1
        self.camera["objects"][frame.camera] += objects
        self.camera["generated"][frame.camera] += leaves
        self.unsettled[frame.camera][frame.birth] = leaves

    def settle(self, request: Request, outcome: str, leaves: int) -> None:
        """`leaves` results of the frame from which `request` stems end as `outcome`; never more than are in flight."""
        waiting = self.unsettled[request.camera]
        assert waiting[request.birth] >= leaves, "a result was delivered twice"
        waiting[request.birth] -= leaves
        self.camera[outcome][request.camera] += leaves

    def latency(self, instance: int, ns: int) -> None:
        self.latency_hist[instance, bisect_right(_EDGES, ns) - 1] += 1

    def leaf_latency(self, instance: int, ns: int) -> None:
        self.leaf_hist[instance, bisect_right(_EDGES, ns) - 1] += 1


def telemetry_of(sim: ReferenceSim) -> dict[str, Any]:
    """The fields of `Telemetry` at the end of the window."""
    cluster, ledger = sim.cluster, sim.ledger
    out: dict[str, Any] = {"t_ns": sim.now, "window_ns": cluster.period_ns if sim.now else 0}
    for name, values in {**ledger.instance, **ledger.camera}.items():
        out[name] = np.array(values, np.int64) - np.array(ledger.before[name], np.int64)
        out["total_" + name] = np.array(values, np.int64)
    out["in_stage"] = np.array([len(instance.held()) for instance in sim.instances], np.int64)
    out["local_latency_ns"] = np.array([_local_latency(instance) for instance in sim.instances], np.int64)
    queues = [(len(i.q1), 0, len(i.q3), len(i.q4), _q5(sim, i.index)) for i in sim.instances]
    out["queue"] = np.array(queues, np.int32).reshape(-1, 5)
    out["latency_hist"] = ledger.latency_hist.copy()
    out["leaf_hist"] = ledger.leaf_hist.copy()
    for name in ("active", "pack", "batch", "pre", "post", "timeout_ns"):
        out[name] = np.array([int(getattr(instance, name)) for instance in sim.instances], np.int64)
    controls = sim.control.instances
    requested = [c.requested or (c.instance.pre, c.instance.post) for c in controls]
    out["requested_pre"] = np.array([pair[0] for pair in requested], np.int64)
    out["requested_post"] = np.array([pair[1] for pair in requested], np.int64)
    out["set_by"] = np.array([c.set_by for c in controls], np.int64)
    out["share_milli"] = np.zeros(cluster.R, np.int64)
    for group in sim.groups:
        out["share_milli"][group.indices] = group.shares
    out["present"] = np.array(sim.present, np.int64)
    busy = [gpu.busy_ns - before for gpu, before in zip(sim.gpus, ledger.gpu_before, strict=True)]
    out["gpu_busy_ns"] = np.array(
        [sum(busy[cluster.first_gpu(d) : cluster.first_gpu(d + 1)]) for d in range(cluster.D)], np.int64
    )
    out["cpu_threads"] = np.array(sim.demand, np.int64)
    links = list(zip([*sim.uplinks, *sim.downlinks], ledger.link_before, strict=True))
    out["bandwidth_bps"] = np.array([link.rate.at(sim.now) for link, _ in links], np.int64)
    out["sent_bytes"] = np.array([link.sent_bytes - before[0] for link, before in links], np.int64)
    out["link_busy_ns"] = np.array([link.busy_ns - before[1] for link, before in links], np.int64)
    out["in_flight"] = np.array([sum(waiting.values()) for waiting in ledger.unsettled], np.int64)
    out["overdue"] = np.array([_overdue(sim, c) for c in range(cluster.C)], np.int64)
    return out


def _local_latency(instance: Any) -> int:
    averages = [thread.average for thread in instance.post_threads if thread.average is not None]
    return sum(averages) // len(averages) if averages else 0


def _q5(sim: ReferenceSim, instance: int) -> int:
    return sum(len(sim.q5[group.number]) for group in sim.groups if group.source == instance)


def _overdue(sim: ReferenceSim, camera: int) -> int:
    slo = sim.cluster.cameras[camera].slo_ns
    return sum(leaves for birth, leaves in sim.ledger.unsettled[camera].items() if sim.now - birth > slo)
