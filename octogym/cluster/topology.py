"""The cluster: devices, cameras, pipelines, instances and routes, each in one fixed order that all arrays use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Dict, Tuple

import numpy as np

from octogym.cluster.settings import THREAD_ACTIONS, Settings

CAMERA, SERVER = "camera", "server"


@dataclass(frozen=True)
class DeviceType:
    """A kind of device. `power_idle_w`, `power_max_w` and `memory_mb` are per device; 0 = not known."""

    name: str
    cores: int
    gpus: int = 1
    lanes: int = 1
    memory_mb: float = 0.0
    power_idle_w: float = 0.0
    power_max_w: float = 0.0
    thread_actions: int = 2
    provenance: str = ""


@dataclass(frozen=True)
class Device:
    id: str
    type: DeviceType
    role: str


@dataclass(frozen=True)
class Profile:
    """Times of one model on one device type: `infer_ns[b - 1]` for a batch of b frames, `pre_ns` and `post_ns` per
    image."""

    model: str
    device_type: str
    infer_ns: Tuple[int, ...]
    pre_ns: int
    post_ns: int
    memory_mb: float
    measured: bool
    provenance: str

    @property
    def max_batch(self) -> int:
        return len(self.infer_ns)


@dataclass(frozen=True)
class Stage:
    """One model of one pipeline. `children[n]` = probability that a request yields n crops (not for the first stage,
    whose crops are the trace's objects). `recall` = share of objects that the model finds (variants)."""

    pipeline: str
    model: str
    first: bool
    children: Tuple[float, ...]
    queues: Tuple[int, int, int, int, int]
    max_pack: int = 1

    @property
    def name(self) -> str:
        return self.pipeline + "." + self.model


@dataclass(frozen=True)
class Edge:
    """`source` stage -> `target` stage (indices). `object_class` index for edges of a first stage, else -1.
    `crop_bytes` = size of one crop on a link."""

    source: int
    target: int
    object_class: int
    crop_bytes: int


@dataclass(frozen=True)
class Instance:
    """One stage on one device: the unit that an agent controls. Indices refer to the cluster's tables."""

    id: str
    device: int
    gpu: int
    stage: int
    profile: Profile
    recall: float
    max_pack: int
    max_batch: int
    thread_actions: int
    initial: Settings
    safe: Settings
    active: bool
    agent_controlled: bool = False

    @property
    def action_sizes(self) -> Tuple[int, int, int]:
        """Sizes (R, B, M) of the resolution, batch and thread actions."""
        return (self.max_pack, self.max_batch, self.thread_actions)


@dataclass(frozen=True)
class Camera:
    """A video source. Frame k is made at phase + k / fps. `fps` is frames per second."""

    id: str
    device: int
    pipeline: str
    stage: int
    fps: float
    frame_bytes: int
    slo_ns: int


@dataclass(frozen=True)
class Route:
    """`source` -> `target` instance. A source below `len(instances)` is an instance, else camera `source -
    len(instances)`.
    `group` numbers the (source, downstream stage) pair, over which shares sum to 1000."""

    source: int
    stage: int
    target: int
    group: int
    share_milli: int
    edge: int


@dataclass(frozen=True)
class Cluster:
    """Everything that does not change within an episode. Order of every tuple is the order of every array."""

    name: str
    devices: Tuple[Device, ...]
    cameras: Tuple[Camera, ...]
    stages: Tuple[Stage, ...]
    edges: Tuple[Edge, ...]
    instances: Tuple[Instance, ...]
    routes: Tuple[Route, ...]
    classes: Tuple[str, ...]
    slo_ns: Dict[str, int]
    period_ns: int = 1_000_000_000
    lazy_drop: bool = True
    link_latency_ns: int = 5_000_000
    settings_validity: int = 3
    share_validity: int = 30
    index: Dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.index.update({instance.id: i for i, instance in enumerate(self.instances)})

    @property
    def S(self) -> int:
        return len(self.instances)

    @property
    def R(self) -> int:
        return len(self.routes)

    @property
    def D(self) -> int:
        return len(self.devices)

    @property
    def C(self) -> int:
        return len(self.cameras)

    @property
    def L(self) -> int:
        """Links: uplink of device d is link d, its downlink is link D + d."""
        return 2 * len(self.devices)

    @property
    def G(self) -> int:
        """GPUs over all devices; instance.gpu refers to them."""
        return sum(device.type.gpus for device in self.devices)

    @property
    def groups(self) -> int:
        return 1 + max((route.group for route in self.routes), default=-1)

    @cached_property
    def limits(self) -> np.ndarray:
        """int64 [2, S]: the largest pack and batch of each instance."""
        return np.array([[i.max_pack, i.max_batch] for i in self.instances], np.int64).reshape(-1, 2).T.copy()

    def first_gpu(self, device: int) -> int:
        return sum(d.type.gpus for d in self.devices[:device])

    def instance_slo_ns(self, i: int) -> int:
        return self.slo_ns[self.stages[self.instances[i].stage].pipeline]

    def out_edges(self, stage: int) -> Tuple[int, ...]:
        return tuple(k for k, edge in enumerate(self.edges) if edge.source == stage)

    def budget_ns(self, i: int) -> int:
        """Time a request needs from instance i's receiver to its last result: 1.2 times the sum of pre-processing,
        inference
        at batch 1 and post-processing along the longest path from i on (fcpo spec 7.6). Below i each stage counts
        with the fastest of its instances that i's routes can reach."""
        return _budget(self, i, {})

    def thread_action(self, index: int) -> Tuple[int, int]:
        return THREAD_ACTIONS[index]

    def route_table(self) -> np.ndarray:
        """int32 [R, 4]: source, stage, target, group."""
        return np.array([(r.source, r.stage, r.target, r.group) for r in self.routes], np.int32).reshape(-1, 4)


def _budget(cluster: Cluster, i: int, known: Dict[int, int]) -> int:
    if i not in known:
        profile = cluster.instances[i].profile
        below: Dict[int, int] = {}
        for route in cluster.routes:
            if route.source == i:
                time = _budget(cluster, route.target, known)
                below[route.stage] = min(below.get(route.stage, time), time)
        own = profile.pre_ns + profile.infer_ns[0] + profile.post_ns
        known[i] = own * 12 // 10 + max(below.values(), default=0)
    return known[i]
