"""A deployment: everything that one node runs, as the host alone decides it. Its bytes are the contract.

`contract_hash` is the SHA-256 of the deployment's msgpack bytes exactly as they are sent, so a node in any language
hashes what it received and needs no canonical form of its own.
"""

from __future__ import annotations

import hashlib
from typing import Dict, List, Mapping, Set

import msgspec
import numpy as np

from octogym.bridge.protocol.errors import ProtocolError
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import Settings
from octogym.cluster.telemetry import BIN_BASE_NS, BINS
from octogym.cluster.topology import Cluster

#: Latency bins (docs/protocol.md, "Histograms").
BINS_PER_DOUBLING = 64
DOUBLINGS = (BINS - 2) // BINS_PER_DOUBLING
#: Longest window, and longest time that a decision may stay in force (36 years).
MAX_PERIOD_NS, MAX_VALIDITY_NS = 3_600_000_000_000, 2**60


class SettingsSpec(msgspec.Struct):
    pack: int
    batch: int
    pre: int
    post: int
    timeout_ns: int


class InstanceSpec(msgspec.Struct):
    """An instance of this device. `index`: its place in the cluster's arrays. `gpu`: of this device. `control`: "host"
    or "agent". `sha256` of the model's file, empty where the node's own choice of file will do."""

    id: str
    index: int
    pipeline: str
    model: str
    sha256: str
    first: bool
    gpu: int
    active: bool
    control: str
    max_pack: int
    max_batch: int
    thread_actions: int
    queues: List[int]
    slo_ns: int
    budget_ns: int
    initial: SettingsSpec
    safe: SettingsSpec


class RouteSpec(msgspec.Struct):
    """A route from an instance or camera of this device. Routes of one `group` share 1000 thousandths."""

    index: int
    group: int
    source: str
    target: str
    target_device: str
    model: str
    object_class: str
    crop_bytes: int
    share_milli: int


class CameraSpec(msgspec.Struct):
    """A camera of this device; `id` is looked up among the node's own sources."""

    id: str
    index: int
    pipeline: str
    fps_milli_hz: int
    frame_bytes: int
    slo_ns: int


class Deployment(msgspec.Struct):
    """One device's part of a scenario. Rows of all tables stand in the order of these lists. `results`: this device's
    cameras, and those of others whose requests routes may bring here, so that their results may end here."""

    scenario: str
    device: str
    index: int
    devices: List[str]
    period_ns: int
    settings_validity: int
    share_validity: int
    lazy_drop: bool
    instances: List[InstanceSpec]
    routes: List[RouteSpec]
    cameras: List[CameraSpec]
    results: List[str]
    bin_base_ns: int = BIN_BASE_NS
    bins_per_doubling: int = BINS_PER_DOUBLING
    doublings: int = DOUBLINGS

    @property
    def bins(self) -> int:
        return self.bins_per_doubling * self.doublings + 2

    def instance_index(self) -> np.ndarray:
        """intp [S of this device]: places in the cluster's arrays."""
        return np.array([spec.index for spec in self.instances], np.intp)

    def route_index(self) -> np.ndarray:
        return np.array([spec.index for spec in self.routes], np.intp)

    def camera_index(self) -> np.ndarray:
        return np.array([spec.index for spec in self.cameras], np.intp)


def encode_deployment(deployment: Deployment) -> bytes:
    """The deployment's bytes, its contract."""
    return msgspec.msgpack.encode(deployment)


def contract_hash(data: bytes) -> str:
    """SHA-256 (hexadecimal) of a deployment's bytes."""
    return hashlib.sha256(data).hexdigest()


_decode = msgspec.msgpack.Decoder(Deployment).decode


def decode_deployment(data: bytes, expected_hash: str) -> Deployment:
    """The deployment in `data`.

    Raises:
        ProtocolError: its hash is another (rule "hash"), or it is no deployment (rule "field").
    """
    found = contract_hash(data)
    if found != expected_hash:
        raise ProtocolError("hash", f"deployment has SHA-256 {found}; the message says {expected_hash[:64]}")
    try:
        deployment = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise ProtocolError("field", f"deployment: {error}"[:300]) from error
    if (
        not 0 < deployment.period_ns <= MAX_PERIOD_NS
        or not 1 <= deployment.settings_validity <= MAX_VALIDITY_NS // deployment.period_ns
        or not 1 <= deployment.share_validity <= MAX_VALIDITY_NS // deployment.period_ns
        or deployment.bin_base_ns < 1
        or deployment.bins_per_doubling < 1
        or deployment.doublings < 1
        or not 0 < deployment.bins * max(1, len(deployment.instances)) <= 1 << 22
    ):
        raise ProtocolError("field", "deployment: a period, validity or number of bins out of range")
    return deployment


def deployments(scenario: Scenario, control: Mapping[str, str], sha256: Mapping[str, str]) -> Dict[str, Deployment]:
    """Each device's deployment, by device id.

    Args:
        control: "host" or "agent" by device id; where absent, each instance's own `agent_controlled` decides.
        sha256: of model files, by model name; where absent the node's own choice will do.
    """
    cluster = scenario.cluster
    first_gpu = [cluster.first_gpu(d) for d in range(cluster.D)]
    places: Dict[int, str] = {s: instance.id for s, instance in enumerate(cluster.instances)}
    places.update({cluster.S + c: camera.id for c, camera in enumerate(cluster.cameras)})
    at = [instance.device for instance in cluster.instances] + [camera.device for camera in cluster.cameras]
    reached, found = _reached(cluster), {}
    for d, device in enumerate(cluster.devices):
        instances = [
            InstanceSpec(
                id=instance.id,
                index=s,
                pipeline=cluster.stages[instance.stage].pipeline,
                model=cluster.stages[instance.stage].model,
                sha256=sha256.get(cluster.stages[instance.stage].model, ""),
                first=cluster.stages[instance.stage].first,
                gpu=instance.gpu - first_gpu[d],
                active=instance.active,
                control=control.get(device.id, "agent" if instance.agent_controlled else "host"),
                max_pack=instance.max_pack,
                max_batch=instance.max_batch,
                thread_actions=instance.thread_actions,
                queues=list(cluster.stages[instance.stage].queues),
                slo_ns=cluster.instance_slo_ns(s),
                budget_ns=cluster.budget_ns(s),
                initial=_settings(instance.initial),
                safe=_settings(instance.safe),
            )
            for s, instance in enumerate(cluster.instances)
            if instance.device == d
        ]
        routes = [
            RouteSpec(
                index=r,
                group=route.group,
                source=places[route.source],
                target=places[route.target],
                target_device=cluster.devices[at[route.target]].id,
                model=cluster.stages[route.stage].model,
                object_class=cluster.classes[cluster.edges[route.edge].object_class]
                if route.edge >= 0 and cluster.edges[route.edge].object_class >= 0
                else "",
                crop_bytes=cluster.edges[route.edge].crop_bytes if route.edge >= 0 else 0,
                share_milli=route.share_milli,
            )
            for r, route in enumerate(cluster.routes)
            if at[route.source] == d
        ]
        cameras = [
            CameraSpec(camera.id, c, camera.pipeline, round(camera.fps * 1000), camera.frame_bytes, camera.slo_ns)
            for c, camera in enumerate(cluster.cameras)
            if camera.device == d
        ]
        found[device.id] = Deployment(
            scenario=scenario.name,
            device=device.id,
            index=d,
            devices=[other.id for other in cluster.devices],
            period_ns=cluster.period_ns,
            settings_validity=cluster.settings_validity,
            share_validity=cluster.share_validity,
            lazy_drop=cluster.lazy_drop,
            instances=instances,
            routes=routes,
            cameras=cameras,
            results=[camera.id for c, camera in enumerate(cluster.cameras) if d in reached[c]],
        )
    return found


def _reached(cluster: Cluster) -> List[Set[int]]:
    """By camera, the devices where its results may end: its own, and wherever its requests may get to."""
    onward: Dict[int, List[int]] = {}
    for route in cluster.routes:
        onward.setdefault(route.source, []).append(route.target)
    found = []
    for c, camera in enumerate(cluster.cameras):
        there: Set[int] = set()
        ahead = [cluster.S + c]
        while ahead:
            new = set(onward.get(ahead.pop(), ())) - there
            there |= new
            ahead.extend(new)
        found.append({camera.device, *(cluster.instances[s].device for s in there)})
    return found


def _settings(settings: Settings) -> SettingsSpec:
    return SettingsSpec(settings.pack, settings.batch, settings.pre, settings.post, settings.timeout_ns)
