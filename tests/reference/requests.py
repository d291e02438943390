"""Frames, crops, and the family of results that a key fixes before anything happens to it (contract, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from octogym.cluster import draws
from octogym.cluster.topology import Cluster, Edge
from tests.reference.keys import fold, uniform


@dataclass
class Request:
    """One image at one instance, or on its way there. `counts`: objects per class of a frame, None for a crop."""

    key: int
    camera: int
    birth: int
    counts: tuple[int, ...] | None = None
    arrival: int = -1


class Family:
    """What comes of a request: its objects, who takes them, and how many leaf results they end in."""

    def __init__(self, cluster: Cluster) -> None:
        self.stages = cluster.stages
        self.edges = [[edge for edge in cluster.edges if edge.source == s] for s in range(len(cluster.stages))]

    def objects(self, stage: int, request: Request) -> list[tuple[int, int]]:
        """(class, key) of each object that `stage` yields for `request`; class -1 behind the first stage."""
        if request.counts is not None:
            return [(q, fold(request.key, q, j)) for q, n in enumerate(request.counts) for j in range(n)]
        if not self.edges[stage]:
            return []
        key = fold(request.key, int(draws.CHILDREN), stage)
        return [(-1, fold(key, j)) for j in range(self._children(stage, uniform(key)))]

    def leaves(self, stage: int, request: Request) -> int:
        """Leaf results of `request` at `stage`."""
        if not self.edges[stage]:
            return 1
        return sum(self.leaves_of_object(stage, q, key) for q, key in self.objects(stage, request))

    def leaves_of_object(self, stage: int, object_class: int, key: int) -> int:
        """Leaf results of one object that `stage` yielded, over all edges that take it."""
        crop = Request(key, -1, -1)
        return sum(self.leaves(e.target, crop) for e in self.edges[stage] if takes(e, object_class))

    def _children(self, stage: int, u: float) -> int:
        total = 0.0
        for n, weight in enumerate(self.stages[stage].children):
            total += weight
            if u < total:
                return n
        return len(self.stages[stage].children) - 1


def takes(edge: Edge, object_class: int) -> bool:
    return edge.object_class in (-1, object_class)
