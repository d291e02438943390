"""Equal models of several streams, merged: one set of replicas serves them all (fcpo spec 7.7 and 8.2, step 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from octogym.scheduler.estimate import MAX_REPLICAS, Model
from octogym.scheduler.layout import Layout


@dataclass
class Pool:
    """Instances of one stage on one device that serve several streams.

    `model`: with the rates of all streams added; its `slots` are all instances in question. `members`: by stream the
    instances that it may use. `cameras`: how many send requests here. `active`: the instances in use.
    """

    stage: int
    model: Model
    members: dict[int, tuple[int, ...]]
    cameras: int
    active: list[int] = field(default_factory=list)

    def used_by(self, stream: int) -> tuple[int, ...]:
        """The active instances that a stream may use."""
        return tuple(i for i in self.active if i in self.members[stream])

    def complete(self) -> None:
        """Activate an instance for every stream that has none among the active ones."""
        for stream, own in self.members.items():
            if not self.used_by(stream):
                self.active.append(own[0])


def merge(layout: Layout, plans: Sequence[dict[int, Model]], smallest: bool) -> list[Pool]:
    """Pools of all streams' plans, upstream first.

    Streams are merged where their instances overlap. A pool has the largest batch of its streams (ours: the
    specification does not say), at least one frame for each camera where `smallest` says so (published), and as many
    replicas as the sum of the rates needs.

    Args:
        layout: of the cluster.
        plans: the model of each stage, by stream.
        smallest: whether a batch holds at least as many frames as there are cameras.
    """
    pools: list[Pool] = []
    for stage in layout.order:
        found: list[Pool] = []
        for n, plan in enumerate(plans):
            if stage not in plan:
                continue
            pool = Pool(stage, plan[stage], {n: plan[stage].slots}, len(layout.streams[n].cameras))
            overlapping = [other for other in found if set(other.model.slots) & set(pool.model.slots)]
            found = [other for other in found if other not in overlapping]
            for other in overlapping:
                pool = _joined(other, pool)
            found.append(pool)
        pools += found
    for pool in pools:
        batch = max(pool.model.batch, pool.cameras if smallest else 1)
        pool.model = pool.model.with_batch(min(batch, pool.model.profile.max_batch)).raised()
    return pools


def _joined(a: Pool, b: Pool) -> Pool:
    slots = tuple(sorted({*a.model.slots, *b.model.slots}))
    model = replace(
        a.model,
        slots=slots,
        rate=a.model.rate + b.model.rate,
        batch=max(a.model.batch, b.model.batch),
        replicas=min(max(a.model.replicas, b.model.replicas), len(slots), MAX_REPLICAS),
    )
    return Pool(a.stage, model, {**a.members, **b.members}, a.cameras + b.cameras)
