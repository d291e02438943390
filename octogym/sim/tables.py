"""A scenario as the kernel reads it: `tab`, the sizes of `m`, and workload plans as rows of `plan`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import PACK_RECALL
from octogym.cluster.topology import Cluster
from octogym.cluster.workload import WorkloadPlan
from octogym.sim import layout as at
from octogym.sim.domains import domains


def _threshold(p: float) -> int:
    """The integer t with uniform < p exactly when the draw's 53 bits are below t."""
    return min(at.ALWAYS, math.ceil(p * at.ALWAYS))


class _Writer:
    """`tab` under construction."""

    def __init__(self) -> None:
        self.words = [0] * at.TAB_HEADER

    def table(self, rows: list[list[int]]) -> int:
        """Append rows; returns their offset."""
        offset = len(self.words)
        for row in rows:
            self.words.extend(int(x) for x in row)
        return offset

    def arrays(self, values: np.ndarray) -> int:
        offset = len(self.words)
        self.words.extend(np.asarray(values, np.int64).ravel().tolist())
        return offset


@dataclass(frozen=True)
class Tables:
    """`tab` int64 [1, W]; `words`: length of m; `burst`: free cells one event may need at the trace's own counts
    (factor 1)."""

    tab: np.ndarray
    words: int
    max_count: int
    fan_out: int
    queue_room: int


def build_tables(scenario: Scenario) -> Tables:
    """Tables of a scenario. ValueError where it exceeds what the kernel can hold."""
    cluster, options = scenario.cluster, scenario.options
    if len(cluster.classes) > at.MAX_CLASSES:
        raise ValueError(f"{cluster.name}: {len(cluster.classes)} object classes; allowed: at most {at.MAX_CLASSES}")
    if cluster.C > at.MAX_CAMERAS:
        raise ValueError(f"{cluster.name}: {cluster.C} cameras; allowed: at most {at.MAX_CAMERAS}")
    _check_edges(cluster)
    w = _Writer()
    groups = _groups(cluster)
    header = w.words
    header[at.N_INST], header[at.N_GROUP], header[at.N_ROUTE] = cluster.S, len(groups), cluster.R
    header[at.N_DEVICE], header[at.N_GPU], header[at.N_CAM] = cluster.D, cluster.G, cluster.C
    header[at.N_CLASS] = len(cluster.classes)
    header[at.PERIOD], header[at.LATENCY_NS] = cluster.period_ns, cluster.link_latency_ns
    header[at.LAZY], header[at.PAUSE], header[at.CONTENTION] = cluster.lazy_drop, options.pause_ns, options.contention
    header[at.EXP_PRE], header[at.EXP_INFER] = options.exponential_pre, options.exponential_infer
    header[at.EXP_POST], header[at.POISSON] = options.exponential_post, options.poisson_arrivals
    if options.spread not in ("tijdeman", "wrr"):
        raise ValueError(f'options.spread = {options.spread!r}; allowed: "tijdeman", "wrr"')
    header[at.TIJDEMAN] = options.spread == "tijdeman"
    header[at.SETTINGS_VALID], header[at.SHARES_VALID] = cluster.settings_validity, cluster.share_validity
    header[at.COUNTS_END], header[at.RATES_END] = scenario.counts.end, scenario.rates.end
    header[at.A_STAGE] = _stages(w, cluster)
    header[at.A_INST] = _instances(w, cluster, groups)
    exponential = options.exponential_pre or options.exponential_infer or options.exponential_post
    header[at.A_GROUP] = w.table(
        [[*_group_row(cluster, group), *_crops(cluster, group, exponential)] for group in groups]
    )
    header[at.A_ROUTE] = w.table(
        [[r.target, cluster.instances[r.target].device, r.share_milli, r.group] for r in cluster.routes]
    )
    header[at.A_GPU] = w.table(
        [[device.type.lanes, d] for d, device in enumerate(cluster.devices) for _ in range(device.type.gpus)]
    )
    parts = domains(cluster)
    domain_of = {d: k for k, part in enumerate(parts) for d in part}
    header[at.A_DEVICE] = w.table([[device.type.cores, domain_of[d]] for d, device in enumerate(cluster.devices)])
    by_source = {group[0].source: number for number, group in enumerate(groups)}
    header[at.A_CAM] = w.table(
        [
            [c.device, c.stage, round(c.fps * 1000), c.frame_bytes, c.slo_ns, by_source[cluster.S + n]]
            for n, c in enumerate(cluster.cameras)
        ]
    )
    header[at.A_SERIES] = _series(w, scenario)
    header[at.A_RATE] = _rates(w, scenario)
    words = _timers(w, cluster, parts, _sections(header, cluster, len(groups)))
    fan_out = max([1, *(len(cluster.out_edges(k)) * max(1, len(s.children) - 1) for k, s in enumerate(cluster.stages))])
    room = max([0, *(cluster.stages[i.stage].queues[0] for i in cluster.instances)])
    counts = scenario.counts.counts
    return Tables(np.array([w.words], np.int64), words, int(counts.sum(1).max()) if counts.size else 0, fan_out, room)


def _check_edges(cluster: Cluster) -> None:
    for k, stage in enumerate(cluster.stages):
        edges = [cluster.edges[e] for e in cluster.out_edges(k)]
        if len({edge.target for edge in edges}) < len(edges):
            raise ValueError(f"{cluster.name}: stage {stage.name} has two edges to one stage; allowed: one")
        if stage.first and any(not 0 <= edge.object_class < len(cluster.classes) for edge in edges):
            raise ValueError(f"{cluster.name}: an edge of first stage {stage.name} names no class of {cluster.classes}")


def _groups(cluster: Cluster) -> list[list]:
    groups: list[list] = [[] for _ in range(cluster.groups)]
    for n, route in enumerate(cluster.routes):
        group = groups[route.group]
        if group and (cluster.routes[n - 1] is not group[-1] or group[-1].source != route.source):
            raise ValueError(f"{cluster.name}: the routes of group {route.group} do not stand together")
        group.append(route)
    for c in range(cluster.C):
        if not any(group and group[0].source == cluster.S + c for group in groups):
            raise ValueError(f"{cluster.name}: camera {cluster.cameras[c].id} has no route to a first stage")
    return groups


def _group_row(cluster: Cluster, group: list) -> list[int]:
    first = group[0]
    low = cluster.routes.index(first)
    if first.source < cluster.S:
        edge, source = cluster.edges[first.edge], cluster.instances[first.source]
        capacity = cluster.stages[source.stage].queues[4]
        return [
            first.source,
            first.stage,
            edge.object_class,
            edge.crop_bytes,
            low,
            low + len(group),
            source.device,
            capacity,
        ]
    camera = cluster.cameras[first.source - cluster.S]
    return [first.source, first.stage, -1, camera.frame_bytes, low, low + len(group), camera.device, 100]


def _crops(cluster: Cluster, group: list, exponential: bool) -> list[int]:
    stage = group[0].stage
    return [_fixed_leaves(cluster, stage), not cluster.out_edges(stage) and not exponential]


def _stages(w: _Writer, cluster: Cluster) -> int:
    rows = []
    for k, stage in enumerate(cluster.stages):
        edges = [cluster.edges[e] for e in cluster.out_edges(k)]
        edge_at = w.table([[e.target, max(0, e.object_class)] for e in edges])
        children = w.table([[_threshold(float(sum(stage.children[: n + 1])))] for n in range(len(stage.children))])
        fixed = _fixed_leaves(cluster, k)
        rows.append([stage.first, not edges, edge_at, len(edges), children, max(1, len(stage.children)), fixed])
    return w.table(rows)


def _fixed_leaves(cluster: Cluster, k: int) -> int:
    """Leaves of every request at stage k, or -1 if they depend on its key."""
    stage = cluster.stages[k]
    below = [_fixed_leaves(cluster, cluster.edges[e].target) for e in cluster.out_edges(k)]
    if not below:
        return 1
    certain = [n for n, p in enumerate(stage.children) if p == 1.0]
    if stage.first or not certain or min(below) < 0:
        return -1
    return certain[0] * sum(below)


def _instances(w: _Writer, cluster: Cluster, groups: list[list]) -> int:
    rows = []
    for s, instance in enumerate(cluster.instances):
        stage, profile = cluster.stages[instance.stage], instance.profile
        infer = w.table([[t] for t in profile.infer_ns])
        own = [n for n, group in enumerate(groups) if group[0].source == s]
        listed = w.table([[n] for n in own])
        slo, budget = cluster.instance_slo_ns(s), cluster.budget_ns(s)
        below = budget - (profile.pre_ns + profile.infer_ns[0] + profile.post_ns) * 12 // 10
        row = [0] * at.I_WORDS
        row[at.I_DEVICE], row[at.I_GPU], row[at.I_STAGE] = instance.device, instance.gpu, instance.stage
        row[at.I_FIRST], row[at.I_LEAF] = stage.first, not cluster.out_edges(instance.stage)
        row[at.I_PRE_NS], row[at.I_POST_NS], row[at.I_INFER] = profile.pre_ns, profile.post_ns, infer
        row[at.I_CAP1], row[at.I_CAP3], row[at.I_CAP4] = stage.queues[0], stage.queues[2], stage.queues[3]
        row[at.I_LATE_AFTER], row[at.I_GOOD_AGE], row[at.I_SLO], row[at.I_LEAD] = slo - budget, slo - below, slo, below
        row[at.I_GROUPS], row[at.I_N_GROUPS] = listed, len(own)
        for pack, recall in enumerate(PACK_RECALL):
            row[at.I_RECALL + pack] = _threshold(recall * instance.recall)
        for place, settings in ((at.I_INITIAL, instance.initial), (at.I_SAFE, instance.safe)):
            row[place : place + 5] = [settings.pack, settings.batch, settings.pre, settings.post, settings.timeout_ns]
        row[at.I_ACTIVE] = instance.active
        rows.append(row)
    return w.table(rows)


def _series(w: _Writer, scenario: Scenario) -> int:
    table = scenario.counts
    stride = table.counts.shape[2] if table.counts.ndim == 3 else 0
    base = w.arrays(table.counts)
    n_class = len(scenario.cluster.classes)
    return w.table(
        [
            [base + n * n_class * stride, table.length[n], table.rate_milli_hz[n], stride]
            for n in range(len(table.names))
        ]
    )


def _rates(w: _Writer, scenario: Scenario) -> int:
    table = scenario.rates
    width = table.t_ns.shape[1] if table.t_ns.ndim == 2 else 0
    times, rates = w.arrays(table.t_ns), w.arrays(table.bit_per_s)
    return w.table(
        [[times + n * width, rates + n * width, table.length[n], table.end_ns[n]] for n in range(len(table.names))]
    )


def _sections(header: list[int], cluster: Cluster, groups: int) -> int:
    """Offsets of the sections of m; returns its length."""
    where = at.HEADER + cluster.S * at.INST
    for name, count, size in (
        (at.O_GROUP, groups, at.GROUP),
        (at.O_ROUTE, cluster.R, at.ROUTE),
        (at.O_GPU, cluster.G, at.GPU),
        (at.O_LINK, cluster.L, at.LINK),
        (at.O_CAM, cluster.C, at.CAM),
        (at.O_PRESENT, cluster.D, 1),
    ):
        header[name] = where
        where += count * size
    return where


def _timers(w: _Writer, cluster: Cluster, parts: list[list[int]], where: int) -> int:
    """Timers from offset `where` of m on, domain by domain (`octogym.sim.timers`); returns the length of m."""
    gpu_device = [d for d, device in enumerate(cluster.devices) for _ in range(device.type.gpus)]
    of_instances = [instance.device for instance in cluster.instances]
    all_devices = list(range(cluster.D))
    owner = of_instances + gpu_device + 2 * all_devices + [c.device for c in cluster.cameras] + of_instances
    domain_of = {d: k for k, part in enumerate(parts) for d in part}
    members: list[list[int]] = [[] for _ in parts]
    for entity, d in enumerate(owner):
        members[domain_of[d]].append(entity)
    where = -(-where // at.LINE) * at.LINE
    place, rows = [[0, 0] for _ in owner], []
    for part, entities in zip(parts, members, strict=True):
        first, nodes = timer_words(len(entities))
        for k, entity in enumerate(entities):
            place[entity] = [where, first + k]
        rows.append([where, nodes, w.table([[d] for d in part]), len(part)])
        where += nodes
    w.words[at.N_DOMAIN] = len(parts)
    w.words[at.A_DOMAIN], w.words[at.A_ENTITY] = w.table(rows), w.table(place)
    w.words[at.ENTITY_BITS], w.words[at.NEVER] = key_words(len(owner))
    return where


def key_words(entities: int) -> tuple[int, int]:
    """Of a timer's word (`octogym.sim.timers`): bits of the entity's number, and the time that none reaches."""
    bits = entities.bit_length()
    return bits, int(at.INF) >> bits


def timer_words(entities: int) -> tuple[int, int]:
    """Of a domain's timers (`octogym.sim.timers`): the first word that is an entity's, and how many words there are."""
    first, width = 0, at.BLOCK
    while width < entities:
        first, width = first + width, width * at.BLOCK
    return first, first + -(-entities // at.BLOCK) * at.BLOCK


def pack_plan(plan: WorkloadPlan, cameras: int, links: int, absent: int) -> np.ndarray:
    """A plan as int64 words, with room for that many segments per camera and link and absences per device."""
    parts = [np.array([cameras, links, absent, 0], np.int64)]
    for camera in plan.cameras:
        rows = np.full((cameras, 4), at.INF, np.int64)
        n = len(camera.start_ns)
        rows[:n] = np.stack([camera.start_ns, camera.series, camera.offset, camera.factor_milli], 1)
        parts.append(rows.ravel())
    for link in plan.links:
        rows = np.full((links, 2), at.INF, np.int64)
        rows[: len(link.start_ns)] = np.stack([link.start_ns, link.factor_milli], 1)
        parts.extend([np.array([link.series, link.offset_ns], np.int64), rows.ravel()])
    for intervals in plan.absent_ns:
        rows = np.full((absent, 2), at.INF, np.int64)
        rows[: len(intervals)] = intervals
        parts.append(rows.ravel())
    return np.concatenate(parts)


def plan_sizes(plan: WorkloadPlan) -> tuple[int, int, int]:
    """Segments per camera and link, absences per device that a plan needs room for."""
    return (
        max([1, *(len(c.start_ns) for c in plan.cameras)]),
        max([1, *(len(link.start_ns) for link in plan.links)]),
        max([1, *(len(a) for a in plan.absent_ns)]),
    )
