"""Clusters of a few instances, for cases whose outcome is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octogym.cluster.options import SimOptions
from octogym.cluster.scenario import FixedPlan, Scenario
from octogym.cluster.settings import MAX_PACK, Settings
from octogym.cluster.topology import (
    CAMERA,
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
from octogym.cluster.workload import CameraPlan, CountTable, LinkPlan, RateTable, WorkloadPlan

MS = 1_000_000
S = 1_000_000_000
LONG = (10**6,) * 5  # queues that never fill


def device(name: str = "cam", cores: int = 100, lanes: int = 1, role: str = CAMERA) -> Device:
    """With one GPU."""
    return Device(name, DeviceType(name, cores, 1, lanes), role)


def instance(
    name: str,
    on: int,
    stage: int,
    times_ns: tuple[int, Sequence[int], int],
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    recall: float = 1.0,
) -> Instance:
    """`times_ns`: pre, inference by batch size, post. Safe settings are the initial ones."""
    pre, infer, post = times_ns
    profile = Profile(name, "any", tuple(infer), pre, post, 0.0, False, "test")
    limits = {"max_pack": MAX_PACK, "max_batch": len(profile.infer_ns), "thread_actions": 4}
    return Instance(name, on, on, stage, profile, recall, **limits, initial=settings, safe=settings, active=True)


def stage(name: str, first: bool = False, children: tuple[float, ...] = (), queues: tuple = LONG) -> Stage:
    return Stage("pipe", name, first, children, queues, MAX_PACK)


def camera(on: int = 0, fps: float = 10.0, slo_ns: int = S, frame_bytes: int = 150_000) -> Camera:
    return Camera(f"camera-{on}", on, "pipe", 0, fps, frame_bytes, slo_ns)


def routes(
    instances: Sequence[Instance], edges: Sequence[Edge], cameras: Sequence[Camera], shares: Sequence[int]
) -> tuple:
    """From every source to every instance of its next stages, local ones first; `shares` of a group in that order."""
    sources = [
        (i, x.device, k, e.target) for i, x in enumerate(instances) for k, e in enumerate(edges) if e.source == x.stage
    ]
    sources += [(len(instances) + c, x.device, -1, x.stage) for c, x in enumerate(cameras)]
    made = []
    for group, (source, on, edge, target_stage) in enumerate(sources):
        targets = [i for i, x in enumerate(instances) if x.stage == target_stage]
        targets.sort(key=lambda i: instances[i].device != on)
        given = shares if len(targets) == len(shares) else [1000] + [0] * (len(targets) - 1)
        made += [
            Route(source, target_stage, target, group, share, edge)
            for target, share in zip(targets, given, strict=True)
        ]
    return tuple(made)


def scenario(
    devices: Sequence[Device],
    stages: Sequence[Stage],
    instances: Sequence[Instance],
    cameras: Sequence[Camera],
    edges: Sequence[Edge] = (),
    shares: Sequence[int] = (),
    objects: Sequence[int] = (1,),
    uplink: tuple[Sequence[int], Sequence[int], int] | None = None,
    options: SimOptions = SimOptions(),  # noqa: B008 (frozen)
    lazy_drop: bool = False,
    period_ns: int = S,
) -> Scenario:
    """`objects`: per class, the same in every frame. `uplink`: starts (ns), rates (bit/s) and end (ns) of the trace of
    every uplink, which loops; None = 1 Gbit/s like every downlink."""
    cluster = Cluster(
        name="small",
        devices=tuple(devices),
        cameras=tuple(cameras),
        stages=tuple(stages),
        edges=tuple(edges),
        instances=tuple(instances),
        routes=routes(instances, edges, cameras, shares),
        classes=tuple(f"class{q}" for q in range(len(objects))),
        slo_ns={"pipe": cameras[0].slo_ns},
        lazy_drop=lazy_drop,
        period_ns=period_ns,
    )
    counts = CountTable(("still",), np.array(objects, np.int16).reshape(1, -1, 1), np.array([1]), np.array([1000]))
    starts, rates, end = uplink or ([0], [10**9], S)
    table = RateTable(("up",), np.array([starts]), np.array([rates]), np.array([len(starts)]), np.array([end]))
    zero = np.zeros(1, np.int64)
    thousand = np.full(1, 1000, np.int32)
    plan = WorkloadPlan(
        tuple(CameraPlan(zero, zero.astype(np.int32), zero, thousand) for _ in cameras),
        tuple(LinkPlan(0 if link < len(devices) else -1, 0, zero, thousand) for link in range(2 * len(devices))),
        tuple(np.zeros((0, 2), np.int64) for _ in devices),
    )
    return Scenario("small", "for tests", cluster, counts, table, FixedPlan(plan), options=options)


def single(
    times_ns: tuple[int, Sequence[int], int],
    fps: float = 10.0,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    options: SimOptions = SimOptions(),  # noqa: B008 (frozen)
    cores: int = 100,
    queues: tuple = LONG,
    slo_ns: int = S,
    period_ns: int = S,
) -> Scenario:
    """One camera whose frames one instance on the same device turns into results."""
    return scenario(
        [device(cores=cores)],
        [stage("detector", first=True, queues=queues)],
        [instance("cam/pipe.detector", 0, 0, times_ns, settings)],
        [camera(0, fps, slo_ns)],
        options=options,
        period_ns=period_ns,
    )
