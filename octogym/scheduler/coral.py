"""OctopInf's CORAL: a time slot on a lane of a GPU for every container (fcpo spec 8.2, CORAL)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from octogym.scheduler.estimate import batch_ns
from octogym.scheduler.layout import Layout
from octogym.scheduler.pools import Pool

#: Shorter gaps of a lane are not used, ns.
SHORTEST_NS = 1_000_000


@dataclass(frozen=True)
class Slot:
    """An instance's time within the duty cycle of a lane, ns; `lane` counts within its GPU."""

    instance: int
    gpu: int
    lane: int
    start_ns: float
    end_ns: float
    duty_ns: float


@dataclass(frozen=True)
class _Portion:
    gpu: int
    lane: int
    start_ns: float
    end_ns: float
    duty_ns: float  # 0: nobody has fixed it yet

    @property
    def length_ns(self) -> float:
        return self.end_ns - self.start_ns


@dataclass(frozen=True)
class Span:
    """When a pool's batches run within its device's duty cycle, ns from its start."""

    start_ns: float
    end_ns: float
    duty_ns: float


def spans(layout: Layout, pools: Sequence[Pool]) -> list[Span]:
    """One for each pool (upstream first): it starts when those before it on the same device have ended and lasts as
    long as a batch may take. The duty cycle of a pipeline on a device is its last end there."""
    ends: dict[tuple[int, int], float] = {}
    times = []
    for pool in pools:
        device = pool.model.device
        start = max((ends.get((device, parent), 0.0) for parent in layout.parents[pool.stage]), default=0.0)
        end = start + batch_ns(pool.model.profile, pool.model.batch)
        ends[device, pool.stage] = max(end, ends.get((device, pool.stage), 0.0))
        times.append((start, end))
    duty: dict[tuple[int, str], float] = {}
    for pool, (_, end) in zip(pools, times, strict=True):
        key = (pool.model.device, layout.cluster.stages[pool.stage].pipeline)
        duty[key] = max(end, duty.get(key, 0.0))
    return [
        Span(start, end, duty[pool.model.device, layout.cluster.stages[pool.stage].pipeline])
        for pool, (start, end) in zip(pools, times, strict=True)
    ]


class Lanes:
    """The free portions of all lanes of all GPUs."""

    def __init__(self, layout: Layout, longest_ns: float) -> None:
        cluster = layout.cluster
        self.slots: list[Slot] = []
        self._free = [
            _Portion(cluster.first_gpu(d) + gpu, lane, 0.0, longest_ns, 0.0)
            for d, device in enumerate(cluster.devices)
            for gpu in range(device.type.gpus)
            for lane in range(device.type.lanes)
        ]

    def place(self, instances: Sequence[tuple[int, int]], span: Span, limit_ns: float) -> int | None:
        """Put one of `instances`, pairs (instance, its GPU), into the shortest free portion that covers the span.

        The lane's duty cycle may not be longer than the span's; the first container fixes it, within `limit_ns`.
        Returns the instance, None where nothing fits.
        """
        for portion in sorted(self._free, key=lambda p: (p.length_ns, p.gpu, p.lane, p.start_ns)):
            here = [i for i, gpu in instances if gpu == portion.gpu]
            if not here or span.start_ns < portion.start_ns or span.end_ns > portion.end_ns:
                continue
            if portion.duty_ns > span.duty_ns or (not portion.duty_ns and span.duty_ns > limit_ns):
                continue
            self._take(portion, here[0], span)
            return here[0]
        return None

    def _take(self, portion: _Portion, instance: int, span: Span) -> None:
        duty = portion.duty_ns or span.duty_ns
        end = min(portion.end_ns, duty) if not portion.duty_ns else portion.end_ns
        self._free.remove(portion)
        for start, stop in ((portion.start_ns, span.start_ns), (span.end_ns, end)):
            if stop - start >= SHORTEST_NS:
                self._free.append(_Portion(portion.gpu, portion.lane, start, stop, duty))
        self.slots.append(Slot(instance, portion.gpu, portion.lane, span.start_ns, span.end_ns, duty))


def schedule(layout: Layout, pools: Sequence[Pool]) -> list[Slot]:
    """Choose the active instances of every pool; fills `pool.active` and returns the time slots.

    In the published system this decides on which GPU a container runs. Here an instance's GPU is the scenario's, so
    it decides which of a model's replicas are used. A container that finds no portion runs without one: lanes of the
    simulator's GPUs are not reserved, whoever comes first is served.
    """
    instances = layout.cluster.instances
    lanes = Lanes(layout, max((stream.slo_ns for stream in layout.streams), default=0))
    for pool, span in zip(pools, spans(layout, pools), strict=True):
        limit_ns = min(layout.streams[n].slo_ns for n in pool.members) / 2
        for _ in range(pool.model.replicas):
            left = [i for i in pool.model.slots if i not in pool.active]
            placed = lanes.place([(i, instances[i].gpu) for i in left], span, limit_ns)
            pool.active.append(left[0] if placed is None else placed)
    return lanes.slots
