"""Shares: how much of its requests a source keeps, sends to servers and spreads over the other devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import KEEP_SHARE
from octogym.cluster.topology import SERVER

#: Batch size at which a device's sustained rate is stated (octocross spec 7.6).
SUSTAINED_BATCH = 4


@dataclass(frozen=True)
class Group:
    """The routes from one source to one next stage. `routes`, `targets`: indices; `local`, `server` bool, by route;
    the rest are neighbours. `rate`: requests/s that each target sustains."""

    source: int
    stage: int
    routes: np.ndarray
    targets: np.ndarray
    local: np.ndarray
    server: np.ndarray
    rate: np.ndarray


class Sharing:
    """The route groups of a scenario whose targets are on more than one device: who may offload, and to whom.

    Shares are uint16 [R] in thousandths, `KEEP_SHARE` on every other route.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.cluster = cluster = scenario.cluster
        rate = sustained_rate(scenario)
        self.groups: list[Group] = []
        for g in range(cluster.groups):
            routes = np.array([r for r, route in enumerate(cluster.routes) if route.group == g], np.intp)
            source, stage = cluster.routes[routes[0]].source, cluster.routes[routes[0]].stage
            targets = np.array([cluster.routes[r].target for r in routes])
            device = np.array([cluster.instances[t].device for t in targets])
            if source >= cluster.S or len(set(device.tolist())) < 2:
                continue  # frames stay where the placement puts them
            local = device == cluster.instances[source].device
            server = np.array([cluster.devices[d].role == SERVER for d in device]) & ~local
            self.groups.append(Group(source, stage, routes, targets, local, server, rate[targets]))
        self.rate = rate
        self._homes, self._children = self._sources()

    def initial(self) -> np.ndarray:
        """How the scenario starts."""
        shares = self.none()
        for group in self.groups:
            shares[group.routes] = [self.cluster.routes[r].share_milli for r in group.routes]
        return shares

    def none(self) -> np.ndarray:
        """Shares that keep what is in force."""
        return np.full(self.cluster.R, KEEP_SHARE, np.uint16)

    def divided(self, keep: float, server: float) -> np.ndarray:
        """Every source keeps `keep`, sends `server` to servers, the rest to its neighbours by their sustained rates."""
        shares = self.none()
        for group in self.groups:
            shares[group.routes] = divide(group, keep, server)
        return shares

    def balanced(self, load: np.ndarray, level: float) -> np.ndarray:
        """Each source keeps what its own device sustains at utilisation `level`; what is over goes to all that have
        room left below that level, in proportion, as far as that reaches. `load`: requests/s of each group [F]."""
        room = level * self.rate
        over = np.zeros(len(self.groups))
        for f, group in enumerate(self.groups):
            home = group.targets[group.local]
            own = room[home].sum()
            over[f] = max(0.0, load[f] - own)
            if own > 0:
                room[home] *= max(0.0, 1 - load[f] / own)
        shares = self.none()
        for f, group in enumerate(self.groups):
            free = np.where(group.local, 0.0, room[group.targets])
            # All sources draw on the same room: each takes as much of it as its part of what is over.
            sent = over[f] * min(1.0, free.sum() / max(over.sum(), 1e-9))
            weights = free * (sent / free.sum()) if free.sum() > 0 else free
            stay = group.local if group.local.any() else ~group.local
            weights[stay] += (max(load[f], 1e-9) - sent) * group.rate[stay] / group.rate[stay].sum()
            shares[group.routes] = thousandths(weights)
        return shares

    def load(self, objects: np.ndarray, arrived: np.ndarray) -> np.ndarray:
        """Requests that each group was given, [..., F]: objects [..., C] that its cameras showed, or what arrived
        [..., S] at its source times the mean number of crops."""
        load = objects @ self._homes.T
        for f, group in enumerate(self.groups):
            if self._children[f] >= 0:
                load[..., f] = arrived[..., group.source] * self._children[f]
        return load

    def table(self, shares: np.ndarray) -> dict[str, dict[str, int]]:
        """Source id -> target id -> thousandths, without zeros."""
        names = [instance.id for instance in self.cluster.instances]
        table: dict[str, dict[str, int]] = {}
        for group in self.groups:
            for route, target in zip(group.routes, group.targets, strict=True):
                if shares[route]:
                    table.setdefault(names[group.source], {})[names[target]] = int(shares[route])
        return table

    def _sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Part of each camera's frames that each group's source takes [F, C]; mean crops per request, -1 for those
        that take frames."""
        cluster = self.cluster
        homes, children = np.zeros((len(self.groups), cluster.C)), np.full(len(self.groups), -1.0)
        for f, group in enumerate(self.groups):
            stage = cluster.stages[cluster.instances[group.source].stage]
            if not stage.first:
                children[f] = sum(n * p for n, p in enumerate(stage.children))
            for route in cluster.routes:
                if route.source >= cluster.S and route.target == group.source:
                    homes[f, route.source - cluster.S] = route.share_milli / 1000
        return homes, children


def divide(group: Group, keep: float, server: float) -> np.ndarray:
    """uint16 thousandths of a group's routes; where there is no server, or no neighbour, its part stays local."""
    weights = np.zeros(len(group.routes))
    near = ~group.local & ~group.server
    left = 1.0
    for which, part in ((group.server, server), (near, 1 - keep - server)):
        if which.any():
            weights[which] = part * group.rate[which] / group.rate[which].sum()
            left -= part
    own = group.local if group.local.any() else ~group.local
    weights[own] += left / own.sum()
    return thousandths(weights)


def moved(group: Group, shares: np.ndarray, to: np.ndarray, part: float) -> np.ndarray:
    """A group's shares with `part` of what goes elsewhere moved to the targets `to` bool, by their rates."""
    weights = shares.astype(float)
    taken = part * weights[~to].sum()
    weights[~to] *= 1 - part
    weights[to] += taken * group.rate[to] / group.rate[to].sum()
    return thousandths(weights)


def thousandths(weights: np.ndarray) -> np.ndarray:
    """Weights as uint16 that sum to 1000, by largest remainders."""
    exact = 1000 * np.maximum(weights, 0) / np.maximum(weights, 0).sum()
    shares = np.floor(exact + 1e-9).astype(np.int64)
    short = 1000 - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:short]] += 1
    return shares.astype(np.uint16)


def sustained_rate(scenario: Scenario) -> np.ndarray:
    """Requests/s float64 [S] that each instance sustains at batch 4 in what the detectors of the cameras at home on its
    GPU leave of it, the inferencer's pause included."""
    cluster = scenario.cluster
    busy = np.zeros(cluster.G)
    for route in cluster.routes:
        if route.source >= cluster.S:
            first = cluster.instances[route.target]
            fps = cluster.cameras[route.source - cluster.S].fps
            busy[first.gpu] += fps * route.share_milli / 1000 * first.profile.infer_ns[0] / 1e9
    rate = np.zeros(cluster.S)
    for s, instance in enumerate(cluster.instances):
        batch = min(SUSTAINED_BATCH, instance.max_batch)
        cycle_s = (instance.profile.infer_ns[batch - 1] + scenario.options.pause_ns) / 1e9
        rate[s] = batch * max(0.0, 1 - busy[instance.gpu]) / cycle_s
    return rate
