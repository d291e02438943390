"""From a forecast and scores to shares: how full nodes may be planned, and what becomes of what no node can take."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import Limits
from octogym.scheduler.octocross.edges import TARGETS
from octogym.scheduler.octocross.projection import EPSILON, project, shares

#: Largest level: about what a node sustains.
MOST = 1.25


@dataclass(frozen=True)
class Rule:
    """How shares are made from scores. `PUBLISHED` is the paper's way, `PLUS` ours.

    A node that gets a little more than it sustains delivers hardly anything on time: its queue fills within a second
    and every request then waits in it. So `PLUS` plans nodes less than full, as full as all are on the whole, and
    what fits nowhere goes where it spoils nothing, instead of staying where it spoils a node.

    Attributes:
        limits: of the projection.
        level: (lowest, highest) part of its capacity up to which a node is planned; between them it is ``margin`` times
            the load of all nodes over their capacity. None: 1.
        margin: see ``level``.
        shed: whether surplus that no node takes leaves its node all the same. Of a node whose uplink is out: into that
            link, where it waits in vain, but its node stays healthy. (On a rack whose nodes keep what they cannot send,
            this changes nothing.) Of the others: to the node with the largest surplus, which is beyond saving.
        targets: best connected nodes to which a node may send, servers not counted; None: all.
    """

    limits: Limits = field(default_factory=Limits)
    level: tuple[float, float] | None = None
    margin: float = 1.1
    shed: bool = False
    targets: int | None = TARGETS

    def __post_init__(self) -> None:
        if self.level is not None and not 0 < self.level[0] <= self.level[1] <= MOST:
            raise SchedulerError(f"level = {self.level}: expected (lowest, highest), above 0, at most {MOST}, in order")
        if self.targets is not None and self.targets < 1:
            raise SchedulerError(f"targets = {self.targets}: expected None or a whole number from 1")
        if not self.margin > 0:
            raise SchedulerError(f"margin = {self.margin}: expected a number above 0")


PUBLISHED = Rule()
#: Numbers found on training splits of campus-16 and city-16.
PLUS = Rule(Limits(theta=1.0, beta=1.0, least_share=0.004), level=(0.8, 1.06), margin=1.05, shed=True, targets=None)
RULES = {"published": PUBLISHED, "plus": PLUS}
#: What a policy decides by unless told otherwise.
DEFAULT = "plus"


def planned_level(load: np.ndarray, capacity: np.ndarray, valid: np.ndarray, rule: Rule) -> float:
    """Part of its capacity up to which every node is planned."""
    if rule.level is None:
        return 1.0
    room = float(capacity[valid].sum())
    level = rule.margin * float(load[valid].sum()) / room if room > 0 else 1.0
    return float(np.clip(level, *rule.level))


def shares_by_rule(
    scores: np.ndarray,
    load: np.ndarray,
    capacity: np.ndarray,
    edges: np.ndarray,
    routes: np.ndarray,
    valid: np.ndarray,
    servers: np.ndarray,
    rule: Rule = PUBLISHED,
) -> np.ndarray:
    """Shares M, float64 [M, M]: rows sum to 1, nothing outside ``edges`` (with ``rule.shed``: ``routes``).

    Args:
        scores: [M, M], larger is better; only differences within a row count.
        load: [M] objects per frame to plan for (`projection.expected_load`).
        capacity: [M] objects per frame.
        edges: bool [M, M], i may send to j now.
        routes: bool [M, M], i could send to j if links were good.
        valid: bool [M], nodes that are there. servers: bool [M].
    """
    load, capacity = np.asarray(load, np.float64), np.asarray(capacity, np.float64)
    full = planned_level(load, capacity, valid, rule) * capacity
    moved = project(scores, load, full, edges, servers, rule.limits)
    if rule.shed:
        moved = _shed(moved, load, full, capacity, edges, routes & valid[:, None] & valid[None, :])
    return shares(moved, load, rule.limits.least_share)


def _shed(
    moved: np.ndarray,
    load: np.ndarray,
    full: np.ndarray,
    capacity: np.ndarray,
    edges: np.ndarray,
    routes: np.ndarray,
) -> np.ndarray:
    """``moved`` and the surplus that is left."""
    moved = moved.copy()
    after = load - moved.sum(1) + moved.sum(0)
    left = np.minimum(np.maximum(after - full, 0.0), np.maximum(load - moved.sum(1), 0.0))
    cut_off = ~edges.any(1) & routes.any(1) & (left > EPSILON)
    for i in np.flatnonzero(cut_off):
        # The last route is a server's where there is one.
        moved[i, np.flatnonzero(routes[i])[-1]] += left[i]
    over = np.flatnonzero((after - full > EPSILON) & ~cut_off)
    if len(over) > 1:
        worst = over[np.argmax((after - full)[over] / np.maximum(capacity[over], EPSILON))]
        for i in over:
            if i != worst and edges[i, worst]:
                moved[i, worst] += left[i]
    return moved
