"""What a cluster leaves open to a scheduler: streams, and the instances that each of their stages may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from octogym.cluster.topology import SERVER as SERVER_ROLE
from octogym.cluster.topology import Cluster

#: Where a stage of a stream runs: on the device of its cameras, or on a server.
EDGE, SERVER = "edge", "server"


@dataclass(frozen=True)
class Stream:
    """The cameras of one pipeline on one device. `stages`: the pipeline's, each after those that feed it."""

    device: int
    pipeline: str
    cameras: tuple[int, ...]
    stages: tuple[int, ...]
    slo_ns: int


class Layout:
    """Streams, stages and routes of a cluster, by index.

    `groups[source, stage]`: the routes of one source to one next stage; a source from `cluster.S` on is a camera.
    `parents`, `children`: stages before and after a stage.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.groups: dict[tuple[int, int], list[int]] = {}
        for r, route in enumerate(cluster.routes):
            self.groups.setdefault((route.source, route.stage), []).append(r)
        stages = range(len(cluster.stages))
        self.parents = {s: tuple(edge.source for edge in cluster.edges if edge.target == s) for s in stages}
        self.children = {s: tuple(edge.target for edge in cluster.edges if edge.source == s) for s in stages}
        self.order = self._upstream_first()
        self.streams = self._streams()

    def _upstream_first(self) -> list[int]:
        order: list[int] = []
        waiting = list(range(len(self.cluster.stages)))
        while waiting:
            ready = [s for s in waiting if all(p in order for p in self.parents[s])]
            order += ready
            waiting = [s for s in waiting if s not in ready]
        return order

    def _streams(self) -> list[Stream]:
        cluster = self.cluster
        cameras: dict[tuple[int, str], list[int]] = {}
        for c, camera in enumerate(cluster.cameras):
            cameras.setdefault((camera.device, camera.pipeline), []).append(c)
        streams = []
        for (device, pipeline), members in cameras.items():
            wanted = {cluster.cameras[c].stage for c in members}
            for s in self.order:
                if wanted & set(self.parents[s]):
                    wanted.add(s)
            stages = tuple(s for s in self.order if s in wanted)
            slo_ns = min(cluster.cameras[c].slo_ns for c in members)
            streams.append(Stream(device, pipeline, tuple(members), stages, slo_ns))
        return streams

    def targets(self, sources: Iterable[int], stage: int) -> list[int]:
        """Instances of a stage that any of the sources has a route to."""
        routes = self.cluster.routes
        return sorted({routes[r].target for source in sources for r in self.groups.get((source, stage), ())})

    def choose(
        self, stream: Stream, sites: Mapping[int, str], variants: Mapping[int, str] | None = None
    ) -> dict[int, tuple[int, ...]]:
        """The instances that may serve each stage of a stream: replicas of one variant on one device.

        Of several servers the one that the stage before is on, else the fastest; of several variants the one with the
        best recall. Where nothing is in reach on the wished site, the other one is used.

        Args:
            sites: EDGE or SERVER by stage; SERVER where not stated.
            variants: profile's model by stage, where a variant is wished.
        """
        chosen: dict[int, tuple[int, ...]] = {}
        for stage in stream.stages:
            before = [i for parent in self.parents[stage] for i in chosen.get(parent, ())]
            sources = before or [self.cluster.S + c for c in stream.cameras]
            near = {self.cluster.instances[i].device for i in before}
            found = self._on(stream, sites.get(stage, SERVER), self.targets(sources, stage))
            chosen[stage] = self._alike(found, near, (variants or {}).get(stage))
        return chosen

    def _on(self, stream: Stream, site: str, reach: list[int]) -> list[int]:
        cluster = self.cluster
        edge = [i for i in reach if cluster.instances[i].device == stream.device]
        server = [i for i in reach if i not in edge and self.is_server(cluster.instances[i].device)]
        return (edge if site == EDGE else server) or edge or server or reach

    def _alike(self, found: list[int], near: set[int], variant: str | None) -> tuple[int, ...]:
        instances = self.cluster.instances
        if not found:
            return ()
        device = instances[
            min(found, key=lambda i: (instances[i].device not in near, instances[i].profile.infer_ns[0], i))
        ].device
        there = [i for i in found if instances[i].device == device]
        named = [i for i in there if instances[i].profile.model == variant]
        best = instances[named[0] if named else max(there, key=lambda i: (instances[i].recall, -i))].profile.model
        return tuple(i for i in there if instances[i].profile.model == best)

    def is_server(self, device: int) -> bool:
        return self.cluster.devices[device].role == SERVER_ROLE

    def at_edge(self, stream: Stream, slots: tuple[int, ...]) -> bool:
        """Whether instances are on the stream's own device."""
        return bool(slots) and self.cluster.instances[slots[0]].device == stream.device
