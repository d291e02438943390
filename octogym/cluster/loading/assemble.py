"""From a document to a Scenario."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from octogym.cluster.loading.check import check
from octogym.cluster.loading.document import Document, parts
from octogym.cluster.loading.hardware import Profiles, device_types, devices, match, nanoseconds, refer
from octogym.cluster.loading.instances import instances
from octogym.cluster.loading.routes import routes
from octogym.cluster.loading.schema import PROGRAMME, SCENARIO, Table
from octogym.cluster.loading.series import Series, part_of, trace_set
from octogym.cluster.loading.software import Pipelines
from octogym.cluster.options import SimOptions
from octogym.cluster.programme import Programme, Sources
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Camera, Cluster
from octogym.cluster.workload import END_ERROR, END_LOOP, END_UNAVAILABLE

_END = {"unavailable": END_UNAVAILABLE, "loop": END_LOOP, "error": END_ERROR}


def assemble(document: Document, name: str) -> Scenario:
    """Check the document and build what it describes. `name`: used where the document gives none."""
    data = check(document, SCENARIO, document.data)
    name = data["name"] or name
    kinds = device_types(data)
    found = devices(document, data, kinds)
    pipelines = Pipelines(document, data)
    cameras = _cameras(document, data, found, pipelines)
    profiles = Profiles(document, data)
    all_devices = [device for device, _ in found.values()]
    placed = instances(document, data, all_devices, pipelines, profiles)
    cluster = Cluster(
        name,
        tuple(all_devices),
        tuple(cameras),
        tuple(pipelines.stages),
        tuple(pipelines.edges),
        tuple(placed),
        tuple(routes(document, data, placed, cameras, all_devices, pipelines)),
        tuple(pipelines.classes),
        {key: nanoseconds(slo) for key, slo in pipelines.slo_ms.items()},
        period_ns=round(data["period_s"] * 1e9),
        lazy_drop=data["drop"] == "lazy",
        link_latency_ns=nanoseconds(data["link_latency_ms"]),
        settings_validity=data["settings_validity"],
        share_validity=data["share_validity"],
    )
    return _with_workload(document, data, cluster, [entry for _, entry in found.values()])


def _cameras(document: Document, data: Dict[str, Any], found: Mapping[str, Any], pipelines: Pipelines) -> List[Camera]:
    cameras = []
    order = list(found)
    for id_, entry in data["cameras"].items():
        path = ("cameras", id_)
        pipeline = refer(document, (*path, "pipeline"), entry["pipeline"], data["pipelines"])
        device = refer(document, (*path, "device"), entry["device"], found)
        slo_ns = nanoseconds(pipelines.slo_ms[pipeline])
        frame = data["pipelines"][pipeline]["frame_bytes"]
        first = pipelines.first[pipeline]
        cameras.append(Camera(id_, order.index(device), pipeline, first, entry["fps"], frame, slo_ns))
    return cameras


def _with_workload(document: Document, data: Dict[str, Any], cluster: Cluster, entries: List[str]) -> Scenario:
    traces, origin, synthetic = trace_set(document, data)
    part, horizon_s, split = part_of(document, data)
    series = Series(document, traces, part, cluster.classes)
    rows: Dict[str, Tuple[int, List[int]]] = {}
    for camera in cluster.cameras:
        wanted = [cluster.classes[edge.object_class] for edge in cluster.edges if edge.source == camera.stage]
        rows[camera.id] = series.camera(data, camera.id, wanted)
    series.check_horizon(data, horizon_s, {id_: [own, *pool] for id_, (own, pool) in rows.items()})
    links = [series.link(data, entry, key) for key in ("uplink", "downlink") for entry in entries]
    end = _END[data["end"]]
    rates = series.rate_table(end)
    duration_s, rate_hz = series.durations()
    sources = Sources(
        tuple(camera.id for camera in cluster.cameras),
        tuple(device.id for device in cluster.devices),
        np.array([own for own, _ in rows.values()], np.int32),
        np.array([data["cameras"][id_]["load"] for id_ in rows]),
        tuple(np.array(pool, np.int32) for _, pool in rows.values()),
        duration_s,
        rate_hz,
        tuple(np.array(link, np.int32) for link in links),
        rates.end_ns,
        tuple(series.absences(data, entry) for entry in entries),
    )
    resolve = _Resolver(document, sources)
    programme = Programme(sources, resolve({}), resolve, horizon_s, cluster.period_ns, split)
    simulator = dict(data["simulator"])
    options = SimOptions(pause_ns=nanoseconds(simulator.pop("pause_ms")), **simulator)
    used = {i.profile.provenance for i in cluster.instances}
    return Scenario(
        cluster.name,
        data["description"],
        cluster,
        series.count_table(end),
        rates,
        programme,
        horizon_s,
        options,
        synthetic_profiles=any(not i.profile.measured for i in cluster.instances),
        synthetic_traces=synthetic,
        provenance={
            "profiles": "; ".join(sorted(used)),
            "traces": origin,
            "split": data["split"],
            "file": document.file,
        },
    )


class _Resolver:
    """Checks the programme with overrides of its keys, once per distinct set of them."""

    def __init__(self, document: Document, sources: Sources) -> None:
        self._document, self._sources = document, sources
        self._known: Dict[str, Dict[str, Any]] = {}

    def __call__(self, overrides: Mapping[str, Any]) -> Dict[str, Any]:
        key = json.dumps(overrides, sort_keys=True, default=repr)
        if key not in self._known:
            changed = Document(self._document.file)
            changed.merge({"programme": self._document.data.get("programme", {})}, self._document.file)
            changed.adopt_origins(self._document)
            for name, value in overrides.items():
                here = parts(name)
                changed.override({name if here[0] == "programme" else f"programme.{name}": value})
            self._known[key] = self._checked(changed)
        return self._known[key]

    def _checked(self, document: Document) -> Dict[str, Any]:
        data = check(document, Table(PROGRAMME), document.data["programme"], ("programme",))
        for table, ids in (
            ("switches", self._sources.cameras),
            ("crowds", self._sources.cameras),
            ("streams", self._sources.cameras),
            ("outages", self._sources.devices),
            ("churn", self._sources.devices),
        ):
            key = "cameras" if ids is self._sources.cameras else "devices"
            if data[table] is not None:
                what = "a camera" if key == "cameras" else "a device"
                data[table][key] = match(document, ("programme", table, key), data[table][key], ids, what)
        if data["day"] is not None and data["day"]["low"] > data["day"]["high"]:
            raise document.error(
                ("programme", "day", "low"), data["day"]["low"], f"at most high = {data['day']['high']:g}"
            )
        return data
