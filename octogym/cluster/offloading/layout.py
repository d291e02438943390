"""Who offloads what to whom: agents, targets, routes and capacities of the offloading problem."""

from __future__ import annotations

import numpy as np

from octogym.cluster.topology import CAMERA, SERVER, Cluster

#: Target devices per agent beside its own and the servers (OctoCross' valid edges; four is the specification's).
TOP_K = 4
_SECOND = 1_000_000_000


class OffloadLayout:
    """The offloading problem of a cluster.

    An *agent* is a camera device whose first stage can send crops to other devices. N agents; M *nodes*: the agents'
    devices, then other devices that may be targets, servers last, each part in the cluster's order. Every agent has T
    *targets* in fixed order: its own device, `top_k` neighbours, all servers. Neighbours are those with the largest
    capacity, equal ones in the order of the cluster from the agent's own device on, around, so that equal devices are
    spread over the agents. An agent with fewer of either has empty places.

    Attributes:
        agents: device ids. `device` int64 [N], `node_device` int64 [M]: their devices' indices.
        targets: int64 [N, T], nodes; -1 for an empty place.
        capacity: float64 [M], requests/s of later stages that a node sustains (`sustained_rates`).
        route, slot: int64 [G, W]: the routes of each group of an agent that lead to its targets, and the place of that
            target; -1 is padding. `group_agent` int64 [G]; `first` int64 [G]: the group's local (first) route.
        owned: int64, all routes of these groups.
        node_of: int64 [S], the node on which an instance works for these groups, else -1.
        camera_agent: int64 [C], whose camera it is, else -1. `crop_bytes` float64 [N].

    Raises:
        ValueError: `top_k` is no whole number, or no camera device has anywhere to offload to.
    """

    def __init__(self, cluster: Cluster, top_k: int = TOP_K) -> None:
        if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 0:
            raise ValueError(f"top_k = {top_k!r}; allowed: an integer, 0 or more")
        self.cluster = cluster
        groups = _groups(cluster)
        if not groups:
            raise ValueError(
                f"scenario {cluster.name!r}: no camera device has routes from its first stage to several devices, so "
                "there is nothing to offload; allowed: scenarios with such routes, as campus-8 and city-8"
            )
        reach = self._nodes(groups)
        self._instances(groups)
        self.targets = self._targets(reach, int(top_k))
        self.N, self.M, self.T = len(self.agents), len(self.node_device), self.targets.shape[1]
        self._routes(groups)
        self.camera_agent = np.array([self._agent_of(camera.device) for camera in cluster.cameras], np.int64)

    def names(self, n: int) -> tuple[str | None, ...]:
        """Device ids of agent n's targets, None for an empty place."""
        devices = self.cluster.devices
        return tuple(devices[self.node_device[m]].id if m >= 0 else None for m in self.targets[n].tolist())

    def _nodes(self, groups: dict[int, list[int]]) -> dict[int, set[int]]:
        """Sets agents and nodes; returns each agent's reachable devices."""
        cluster = self.cluster
        reach: dict[int, set[int]] = {}
        for routes in groups.values():
            source = cluster.instances[cluster.routes[routes[0]].source].device
            there = {cluster.instances[cluster.routes[r].target].device for r in routes}
            reach.setdefault(source, set()).update(there)
        agents = sorted(reach)
        others = sorted(set().union(*reach.values()) - set(agents), key=lambda d: (self._is_server(d), d))
        self.device = np.array(agents, np.int64)
        self.node_device = np.array(agents + others, np.int64)
        self.agents = tuple(cluster.devices[d].id for d in agents)
        self.node = np.full(cluster.D, -1, np.int64)
        self.node[self.node_device] = np.arange(len(self.node_device))
        return reach

    def _instances(self, groups: dict[int, list[int]]) -> None:
        cluster = self.cluster
        self.node_of = np.full(cluster.S, -1, np.int64)
        for routes in groups.values():
            for r in routes:
                target = cluster.routes[r].target
                self.node_of[target] = self.node[cluster.instances[target].device]
        rates = sustained_rates(cluster, self.node_of >= 0)
        self.capacity = np.maximum(rates[self.node_device], 1.0)

    def _targets(self, reach: dict[int, set[int]], top_k: int) -> np.ndarray:
        size = self.cluster.D
        servers = [d for d in self.node_device.tolist() if self._is_server(d)]
        neighbours = {d: [o for o in there if o != d and not self._is_server(o)] for d, there in reach.items()}
        places = min(top_k, max(len(found) for found in neighbours.values()))
        targets = np.full((len(reach), 1 + places + len(servers)), -1, np.int64)
        for n, d in enumerate(self.device.tolist()):
            around = sorted(neighbours[d], key=lambda o, own=d: (o - own) % size)  # type: ignore[misc]
            found = sorted(around, key=lambda o: -self.capacity[self.node[o]])
            if d in reach[d]:
                targets[n, 0] = self.node[d]
            targets[n, 1 : 1 + len(found[:places])] = self.node[found[:places]]
            targets[n, 1 + places :] = [self.node[o] if o in reach[d] else -1 for o in servers]
        return targets

    def _routes(self, groups: dict[int, list[int]]) -> None:
        cluster, cells = self.cluster, []
        self.crop_bytes = np.zeros(self.N)
        owners = []
        for routes in groups.values():
            source = cluster.routes[routes[0]]
            n = self._agent_of(cluster.instances[source.source].device)
            owners.append(n)
            self.crop_bytes[n] = max(self.crop_bytes[n], cluster.edges[source.edge].crop_bytes)
            slots = {int(m): t for t, m in enumerate(self.targets[n]) if m >= 0}
            nodes = [self.node[cluster.instances[cluster.routes[r].target].device] for r in routes]
            cells.append(sorted((slots[m], r) for r, m in zip(routes, nodes) if m in slots))
        width = max(len(row) for row in cells)
        self.route, self.slot = (np.full((len(cells), width), -1, np.int64) for _ in range(2))
        for g, row in enumerate(cells):
            for w, (slot, r) in enumerate(row):
                self.route[g, w], self.slot[g, w] = r, slot
        self.group_agent = np.array(owners, np.int64)
        self.first = np.array([routes[0] for routes in groups.values()], np.int64)
        self.owned = np.array([r for routes in groups.values() for r in routes], np.int64)

    def _agent_of(self, device: int) -> int:
        m = int(self.node[device])
        return m if m < len(self.agents) else -1

    def _is_server(self, device: int) -> bool:
        return self.cluster.devices[device].role == SERVER


def _groups(cluster: Cluster) -> dict[int, list[int]]:
    """Group -> routes, of the groups that lead from a camera device's first stage to several devices."""
    groups: dict[int, list[int]] = {}
    for r, route in enumerate(cluster.routes):
        if route.source >= cluster.S:
            continue
        source = cluster.instances[route.source]
        if cluster.stages[source.stage].first and cluster.devices[source.device].role == CAMERA:
            groups.setdefault(route.group, []).append(r)
    instances = cluster.instances
    return {g: rs for g, rs in groups.items() if len({instances[cluster.routes[r].target].device for r in rs}) > 1}


def sustained_rates(cluster: Cluster, wanted: np.ndarray, pause_ns: int = 1_000_000) -> np.ndarray:
    """float64 [D]: images/s that a device sustains at the instances of `wanted` bool [S] with the scenario's settings.

    Per GPU that of the fastest such instance: images of a batch per inference and pause, times the part of the GPU that
    the first stages of the device's own cameras leave; not more than its pre- and post-processing threads do. Divided
    by the frame rate it is OctoCross' C_n (specification 7.6, the rule behind the shipped profiles).
    """
    taken = np.zeros(cluster.G)
    for camera in cluster.cameras:
        own = [i for i in cluster.instances if i.stage == camera.stage and i.device == camera.device and i.active]
        for i in own:
            b = min(i.initial.batch, i.max_batch)
            taken[i.gpu] += camera.fps * i.profile.infer_ns[b - 1] / (b * i.initial.pack) / _SECOND / len(own)
    best: dict[int, float] = {}
    gpu_device: dict[int, int] = {}
    for s in np.flatnonzero(wanted).tolist():
        i = cluster.instances[s]
        if not i.active:
            continue
        settings, b = i.initial, min(i.initial.batch, i.max_batch)
        images = b * settings.pack
        inference = images / (i.profile.infer_ns[b - 1] + pause_ns) * max(1.0 - taken[i.gpu], 0.0)
        pre = settings.pre / max(i.profile.pre_ns, 1)
        post = settings.post * images / (images * i.profile.post_ns + pause_ns)
        best[i.gpu] = max(best.get(i.gpu, 0.0), _SECOND * min(inference, pre, post))
        gpu_device[i.gpu] = i.device
    rates = np.zeros(cluster.D)
    for gpu, rate in best.items():
        rates[gpu_device[gpu]] += rate
    return rates
