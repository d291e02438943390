"""From the instances that each stream shall use to what a decision sets: active instances and shares of routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octogym.cluster.settings import KEEP_SHARE
from octogym.scheduler.layout import Layout

#: Instances by (stream, stage), indices of `Layout.streams` and `Cluster.stages`.
Chosen = Mapping[tuple[int, int], Sequence[int]]


@dataclass
class Deployment:
    """What a scheduler sets in one environment. `active` int8 [S], `batch` int32 [S], `share_milli` uint16 [R]."""

    active: np.ndarray
    batch: np.ndarray
    share_milli: np.ndarray


def deploy(layout: Layout, chosen: Chosen, batch: np.ndarray) -> Deployment:
    """Activate the chosen instances and send every stream's requests to them, evenly.

    A source without a route to any of the instances chosen for its streams uses its first route. A source that
    serves no stream (it may still hold some) sends to what is active, to its own device first.

    Args:
        layout: of the cluster.
        chosen: who serves which stream; replicas that shall be idle are left out.
        batch: int32 [S].
    """
    cluster = layout.cluster
    active = np.zeros(cluster.S, np.int8)
    shares = np.full(cluster.R, KEEP_SHARE, np.uint16)
    served: dict[int, set[int]] = {}
    for n, stream in enumerate(layout.streams):
        for c in stream.cameras:
            served.setdefault(cluster.S + c, set()).add(n)
    by_stage: dict[int, list[int]] = {}
    for source, stage in layout.groups:
        by_stage.setdefault(stage, []).append(source)
    for stage in layout.order:  # what feeds a stage is known when it is its turn
        for source in by_stage.get(stage, ()):
            if source not in served:
                continue
            routes = layout.groups[source, stage]
            wanted = {i for n in served[source] for i in chosen.get((n, stage), ())}
            used = [r for r in routes if cluster.routes[r].target in wanted] or routes[:1]
            _split(shares, routes, used)
            for r in used:
                active[cluster.routes[r].target] = 1
                served.setdefault(cluster.routes[r].target, set()).update(served[source])
    for (source, _), routes in layout.groups.items():
        if source not in served:
            _lead_on(layout, source, routes, active, shares)
    return Deployment(active, batch, shares)


def _lead_on(layout: Layout, source: int, routes: Sequence[int], active: np.ndarray, shares: np.ndarray) -> None:
    cluster = layout.cluster
    used = [r for r in routes if active[cluster.routes[r].target]]
    device = cluster.instances[source].device
    local = [r for r in used if cluster.instances[cluster.routes[r].target].device == device]
    if used:
        _split(shares, routes, local or used)


def _split(shares: np.ndarray, routes: Sequence[int], used: Sequence[int]) -> None:
    shares[list(routes)] = 0
    part, rest = divmod(1000, len(used))
    for k, r in enumerate(used):
        shares[r] = part + (k < rest)
