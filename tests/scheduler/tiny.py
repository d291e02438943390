"""Clusters small enough to plan by hand."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from octogym.cluster.settings import Settings
from octogym.cluster.topology import (
    CAMERA,
    SERVER,
    Camera,
    Cluster,
    Device,
    DeviceType,
    Edge,
    Instance,
    Profile,
    Route,
    Stage,
)

MS = 1_000_000
QUEUES = (100, 100, 100, 100, 100)


def profile(
    model: str, device_type: str, infer_ms: Sequence[float], pre_ms: float = 2.0, post_ms: float = 1.0
) -> Profile:
    infer = tuple(round(x * MS) for x in infer_ms)
    return Profile(model, device_type, infer, round(pre_ms * MS), round(post_ms * MS), 0.0, False, "a test")


def instance(
    id_: str, device: int, stage: int, of: Profile, gpu: int = 0, recall: float = 1.0, active: bool = True
) -> Instance:
    return Instance(id_, device, gpu, stage, of, recall, 1, of.max_batch, 2, Settings(), Settings(), active)


def cluster(
    cameras: int = 1,
    edge_ms: Sequence[float] = (10, 16, 22, 28, 34, 40, 46, 52),
    server_ms: Sequence[float] = (4, 6, 8, 10, 12, 14, 16, 18),
    replicas: int = 1,
    gpus: int = 1,
    lanes: int = 1,
    frame_bytes: int = 100_000,
    slo_ms: int = 200,
    reader_at_edge: bool = True,
    detector_at_edge: bool = True,
    detector_on_server: bool = True,
    small_variant: bool = False,
) -> Cluster:
    """`cameras` devices with a camera of 10 frames/s each, and a server; find -> read on either, `replicas` of read
    on the server (on its GPUs in turn)."""
    board = DeviceType("board", 4)
    box = DeviceType("box", 16, gpus, lanes)
    devices = [Device(f"cam{d}", board, CAMERA) for d in range(cameras)] + [Device("hub", box, SERVER)]
    hub = cameras
    stages = (Stage("p", "find", True, (), QUEUES), Stage("p", "read", False, (1.0,), QUEUES))
    found: list[Instance] = []
    for d in range(cameras):
        if detector_at_edge:
            found.append(instance(f"cam{d}/p.find", d, 0, profile("find", "board", edge_ms), d))
        if reader_at_edge:
            found.append(instance(f"cam{d}/p.read", d, 1, profile("read", "board", edge_ms), d))
    if detector_on_server:
        found.append(instance("hub/p.find", hub, 0, profile("find", "box", server_ms), hub))
        if small_variant:
            small = profile("find@small", "box", [x / 4 for x in server_ms])
            found.append(instance("hub/p.find@small", hub, 0, small, hub, recall=0.7))
    for n in range(replicas):
        suffix = f"#{n}" if n else ""
        found.append(instance("hub/p.read" + suffix, hub, 1, profile("read", "box", server_ms), hub + n % gpus))
    views = [Camera(f"camera{d}", d, "p", 0, 10.0, frame_bytes, slo_ms * MS) for d in range(cameras)]
    routes: list[Route] = []
    ends = [(i, x.device, 1, 0) for i, x in enumerate(found) if x.stage == 0]
    ends += [(len(found) + c, camera.device, 0, -1) for c, camera in enumerate(views)]
    for group, (source, device, stage, edge) in enumerate(ends):
        targets = [i for i, x in enumerate(found) if x.stage == stage and x.device in (device, hub)]
        targets.sort(key=lambda i: found[i].device != device)
        routes += [Route(source, stage, i, group, 1000 * (k == 0), edge) for k, i in enumerate(targets)]
    return Cluster(
        name="tiny",
        devices=tuple(devices),
        cameras=tuple(views),
        stages=stages,
        edges=(Edge(0, 1, 0, 5000),),
        instances=tuple(found),
        routes=tuple(routes),
        classes=("car",),
        slo_ns={"p": slo_ms * MS},
    )


def bandwidth(of: Cluster, up_mbps: float = 1000.0, down_mbps: float = 1000.0) -> np.ndarray:
    """float64 [L] bit/s."""
    return np.concatenate([np.full(of.D, up_mbps * 1e6), np.full(of.D, down_mbps * 1e6)])


def used(of: Cluster, active: np.ndarray) -> list[str]:
    """Ids of the active instances."""
    return [x.id for x, a in zip(of.instances, active, strict=True) if a]


def feed(history, seconds, arrivals, links=2, objects=(0.0,), frames=(10.0,), start=0):
    """One sample a second; `arrivals(t)`: requests in the second that ends at t, by instance."""
    total = np.zeros(len(arrivals(1)), np.int64)
    for t in range(start, start + seconds + 1):
        total = total + (arrivals(t) if t > start else 0)
        history.push(
            SimpleNamespace(
                t_ns=np.array([t * 1000 * MS]),
                window_ns=np.array([1000 * MS]),
                total_arrived=total[None],
                bandwidth_bps=np.full((1, links), float(t)),
                objects=np.array([objects]),
                frames=np.array([frames]),
            ),
            0,
        )
