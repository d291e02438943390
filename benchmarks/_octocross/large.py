"""A campus of any number of cameras, and windows of telemetry from it: what a decision is timed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from octogym.cluster.registry import load_scenario
from octogym.cluster.telemetry import Telemetry, latency_bin_edges_ns
from octogym.cluster.topology import CAMERA, SERVER, Cluster, Route

#: Neighbours to which a device has routes, beside the server.
NEIGHBOURS = 16


def campus(cameras: int) -> Cluster:
    """campus-16's devices again and again, and one server; every device has routes to the next `NEIGHBOURS`."""
    small = load_scenario("campus-16").cluster
    pattern = [device for device in small.devices if device.role == CAMERA]
    server = next(device for device in small.devices if device.role == SERVER)
    model = {(small.devices[i.device].id, small.stages[i.stage].first): i for i in small.instances}
    devices, found, cams = [], [], []
    for k in range(cameras):
        one = pattern[k % len(pattern)]
        devices.append(replace(one, id=f"node{k + 1:05d}"))
        cams.append(replace(small.cameras[k % len(pattern)], id=f"camera{k + 1:05d}", device=k))
        for first in (True, False):
            instance = model[one.id, first]
            found.append(replace(instance, id=f"node{k + 1:05d}/{first}", device=k, gpu=k))
    devices.append(server)
    found.append(replace(model[server.id, False], id="server/second", device=cameras, gpu=cameras))
    old = next(r for r in small.routes if r.edge >= 0)
    routes = []
    for k in range(cameras):
        targets = [(k + step) % cameras for step in range(min(NEIGHBOURS, cameras - 1) + 1)]
        places = [2 * target + 1 for target in targets] + [2 * cameras]
        routes += [Route(2 * k, old.stage, place, k, 1000 if n == 0 else 0, old.edge) for n, place in enumerate(places)]
    own = [Route(len(found) + k, cam.stage, 2 * k, cameras + k, 1000, -1) for k, cam in enumerate(cams)]
    return replace(
        small,
        name=f"campus of {cameras}",
        devices=tuple(devices),
        cameras=tuple(cams),
        instances=tuple(found),
        routes=tuple(routes + own),
        index={},
    )


def windows(cluster: Cluster, seed: int = 0) -> Iterator[Telemetry]:
    """One window of one environment after the other: loads that wander, some devices overloaded. The arrays are the
    same ones every time, as a backend's are."""
    t = _blank(cluster)
    rng = np.random.default_rng(seed)
    mean = rng.uniform(2.0, 14.0, cluster.C)
    load, second = mean.copy(), 0
    fps = np.array([camera.fps for camera in cluster.cameras])
    work = np.array([not cluster.stages[i.stage].first for i in cluster.instances])
    t.present[:], t.valid[:], t.active[:], t.window_ns[:] = 1, 1, 1, cluster.period_ns
    while True:
        t.t_ns[:] = second * cluster.period_ns
        t.generated[0] = np.rint(load * fps)
        t.arrived[0, work] = np.append(t.generated[0], 50)
        t.queue[0, :, 0] = rng.integers(0, 5, cluster.S)
        t.bandwidth_bps[0] = rng.integers(20_000_000, 200_000_000, cluster.L)
        yield t
        load += 0.2 * (mean - load) + rng.normal(0.0, 1.0, cluster.C)
        np.clip(load, 0.0, 30.0, out=load)
        second += 1


def _blank(cluster: Cluster) -> Telemetry:
    bins = len(latency_bin_edges_ns()) - 1
    sizes = {
        **dict.fromkeys(("t_ns", "window_ns"), ()),
        **dict.fromkeys(("present", "gpu_busy_ns", "cpu_threads"), (cluster.D,)),
        **dict.fromkeys(("bandwidth_bps", "sent_bytes", "link_busy_ns"), (cluster.L,)),
        "share_milli": (cluster.R,),
        "queue": (cluster.S, 5),
        **dict.fromkeys(("latency_hist", "leaf_hist"), (cluster.S, bins)),
    }
    cameras = ("frames", "objects", "generated", "on_time_results", "late", "dropped", "missed", "lost_results")
    totals = [f.name for f in fields(Telemetry) if f.name.startswith("total_") and f.name[6:] in cameras]
    sizes.update(dict.fromkeys((*cameras, *totals, "in_flight", "overdue"), (cluster.C,)))
    return Telemetry(**{f.name: np.zeros((1, *sizes.get(f.name, (cluster.S,))), np.int64) for f in fields(Telemetry)})
