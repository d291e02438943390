"""Routes of a checked document: where each source may send its requests, and their shares at the start."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Optional, Tuple

from octogym.cluster.loading.document import Document, Path_, choices
from octogym.cluster.loading.hardware import match
from octogym.cluster.loading.software import Pipelines
from octogym.cluster.topology import SERVER, Camera, Device, Instance, Route


class _Group:
    """Routes of one source to one next stage while they are collected: target -> share in thousandths, or None."""

    def __init__(self) -> None:
        self.targets: Dict[int, Optional[int]] = {}
        self.stated_by: Optional[Path_] = None


def routes(
    document: Document,
    data: Dict[str, Any],
    found: List[Instance],
    cameras: List[Camera],
    devices: List[Device],
    pipelines: Pipelines,
) -> List[Route]:
    """For each source and next stage: its device's own instances, then what `routes` adds, else those on servers."""
    by_stage: Dict[int, List[int]] = {}
    for i, instance in enumerate(found):
        by_stage.setdefault(instance.stage, []).append(i)
    sources: List[Tuple[str, int, List[Tuple[int, int]]]] = []  # id, device, (edge, next stage)
    for instance in found:
        out = [(k, edge.target) for k, edge in enumerate(pipelines.edges) if edge.source == instance.stage]
        sources.append((instance.id, instance.device, out))
    for camera in cameras:
        sources.append((camera.id, camera.device, [(-1, camera.stage)]))
    groups: Dict[Tuple[int, int], _Group] = {}
    for s, (_, device, out) in enumerate(sources):
        for _, stage in out:
            group = groups[(s, stage)] = _Group()
            group.targets = {i: None for i in by_stage.get(stage, ()) if found[i].device == device}
    for name, entry in data["routes"].items():
        _add_routes(document, name, entry, sources, groups, found, devices)
    result: List[Route] = []
    for number, ((s, stage), group) in enumerate(groups.items()):
        local = [i for i in group.targets if found[i].device == sources[s][1]]
        if not group.targets:
            group.targets = {i: None for i in by_stage.get(stage, ()) if devices[found[i].device].role == SERVER}
        if not group.targets:
            where = pipelines.stages[stage].name
            raise document.error(
                ("routes",),
                f"{sources[s][0]} -> {where}",
                f"an instance of {where} on {devices[sources[s][1]].id} or a server, or a route",
            )
        shares = _shares(document, group, local, sources[s][0], pipelines.stages[stage].name)
        edge = next(k for k, target in sources[s][2] if target == stage)
        ordered = local + [i for i in sorted(group.targets) if i not in local]
        result += [Route(s, stage, i, number, shares[i], edge) for i in ordered]
    return result


def _add_routes(
    document: Document,
    name: str,
    entry: Dict[str, Any],
    sources: List[Tuple[str, int, List[Tuple[int, int]]]],
    groups: Dict[Tuple[int, int], _Group],
    found: List[Instance],
    devices: List[Device],
) -> None:
    path = ("routes", name)
    shares = entry["share_milli"]
    if shares is not None and (len(shares) != len(entry["to"]) or sum(shares) != 1000):
        raise document.error(
            (*path, "share_milli"), shares, f"one share for each of the {len(entry['to'])} in `to`, 1000 in all"
        )
    names = [source[0] for source in sources]
    chosen = match(document, (*path, "from"), entry["from"], names, "an instance or a camera")
    ids = [instance.id for instance in found]
    used = False
    for s in (names.index(id_) for id_ in chosen):
        own = [pattern.replace("{device}", devices[sources[s][1]].id) for pattern in entry["to"]]
        for _, stage in sources[s][2]:
            group = groups[(s, stage)]
            hits = [[i for i, id_ in enumerate(ids) if found[i].stage == stage and fnmatchcase(id_, p)] for p in own]
            if not any(hits):
                continue
            used = True
            for k, targets in enumerate(hits):
                for i in targets:
                    group.targets.setdefault(i, None)
                if shares is not None:
                    _state(document, path, group, targets, int(shares[k]), f"{names[s]} to {own[k]}")
            if shares is not None:
                group.stated_by = path
    if not used:
        raise document.error(
            (*path, "to"), entry["to"], choices(entry["to"][0], ids, f"instances of a stage after {entry['from']}:")
        )


def _state(document: Document, path: Path_, group: _Group, targets: List[int], share: int, what: str) -> None:
    """Split a stated share evenly over the targets of one entry."""
    if group.stated_by not in (None, path):
        raise document.error(
            (*path, "share_milli"), share, f"shares that {'.'.join(group.stated_by or ())} does not state already"
        )
    if not targets and share:
        raise document.error((*path, "to"), what, "a pattern that matches an instance, since its share is above 0")
    for position, i in enumerate(targets):
        part = share // len(targets) + (1 if position < share % len(targets) else 0)
        group.targets[i] = (group.targets[i] or 0) + part


def _shares(document: Document, group: _Group, local: List[int], source: str, stage: str) -> Dict[int, int]:
    if group.stated_by is not None:
        shares = {i: share or 0 for i, share in group.targets.items()}
        if sum(shares.values()) != 1000:
            raise document.error(
                (*group.stated_by, "share_milli"), sum(shares.values()), f"1000 in all from {source} to {stage}"
            )
        return shares
    even = local or sorted(group.targets)
    shares = dict.fromkeys(group.targets, 0)
    for position, i in enumerate(even):
        shares[i] = 1000 // len(even) + (1 if position < 1000 % len(even) else 0)
    return shares
