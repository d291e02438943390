"""Jellyfish: everything on the server, detector variants by network (Nigade et al., RTSS 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octogym.cluster.topology import Profile
from octogym.scheduler.deployment import Deployment, deploy
from octogym.scheduler.estimate import MAX_REPLICAS, Links, batch_ns
from octogym.scheduler.layout import Layout, Stream
from octogym.scheduler.policy import PERIOD_S, Known, SchedulerPolicy, words

#: Largest batch of a detector, fixed batch of everything else, step of the capacity in the dynamic programme.
LARGEST_BATCH, OTHER_BATCH, STEP = 16, 12, 10


@dataclass(frozen=True)
class Client:
    """A stream that needs a detector. `rate`: frames/s; `slack_ns`: its SLO less the time on the network."""

    stream: int
    rate: float
    slack_ns: float


@dataclass(frozen=True)
class Assignment:
    """The clients of one variant and its batch."""

    streams: tuple[int, ...]
    batch: int


def throughput(profile: Profile, batch: int) -> float:
    """Images/s of one instance at a batch size."""
    return batch * 1e9 / profile.infer_ns[batch - 1]


def feasible_batch(profile: Profile, slack_ns: float) -> int:
    """The largest batch (16 at most) after which a frame that just missed the one before is still in time, that is
    twice whose time fits the slack; 0 if none."""
    most = min(LARGEST_BATCH, profile.max_batch)
    return max((b for b in range(1, most + 1) if 2 * batch_ns(profile, b) <= slack_ns), default=0)


def smallest_batch(profile: Profile, rate: float) -> int:
    """The smallest batch (16 at most) whose throughput exceeds the rate, the largest if none does."""
    most = min(LARGEST_BATCH, profile.max_batch)
    return next((b for b in range(1, most + 1) if throughput(profile, b) > rate), most)


def best_subset(rates: Sequence[float], capacity: float) -> list[int]:
    """The clients with the largest sum of rates within a capacity, in steps of 10 requests/s (rates rounded up to
    whole steps); among equals the earlier clients. Positions in `rates`."""
    steps = int(capacity // STEP)
    need = [max(1, int(-(-rate // STEP))) for rate in rates]
    best: list[tuple[float, list[int]]] = [(0.0, [])] * (steps + 1)
    for k, rate in enumerate(rates):
        for room in range(steps, need[k] - 1, -1):
            served, taken = best[room - need[k]]
            if served + rate > best[room][0]:
                best[room] = (served + rate, [*taken, k])
    return best[steps][1]


def assign(profiles: Sequence[Profile], clients: Sequence[Client]) -> list[Assignment]:
    """Clients to variants, one assignment for each profile (the most accurate first).

    For each variant: clients by slack; the tightest one served bounds the batch and so the throughput; the subset
    with the largest rate within it is taken. Who is left over goes to the last variant.
    """
    left = sorted(clients, key=lambda client: (client.slack_ns, client.stream))
    found = []
    for rank, profile in enumerate(profiles):
        chosen: list[Client] = []
        for first in range(len(left)):
            batch = feasible_batch(profile, left[first].slack_ns)
            if batch:
                able = left[first:]
                subset = [able[k] for k in best_subset([c.rate for c in able], throughput(profile, batch))]
                if sum(c.rate for c in subset) > sum(c.rate for c in chosen):
                    chosen = subset
        left = [client for client in left if client not in chosen]
        if rank == len(profiles) - 1:
            chosen += left
        rate = sum(client.rate for client in chosen)
        found.append(Assignment(tuple(client.stream for client in chosen), smallest_batch(profile, rate)))
    return found


class JellyfishPolicy(SchedulerPolicy):
    """Jellyfish as re-implemented beside FCPO (fcpo spec 8.4).

    Every 300 s: everything runs on servers as far as it may; each stream is given a variant of its detector, from the
    most accurate on, by a dynamic programme over the served rate; the variant's batch is the smallest whose
    throughput exceeds the assigned rate; every other stage has batch 12 and up to 4 replicas, clipped to what the
    instances can. Only full batches leave.

    Streams that reach the same detectors are assigned together. Where a scenario has one variant, it is used; where
    detectors run on the cameras' devices only, each device is such a set of its own, and its batch is all that is
    left to decide. Frames keep their size whatever the variant, since cameras' frame sizes are the scenario's.

    Args:
        argument: `once`: one schedule, at the start.

    Raises:
        SchedulerError: another word.
    """

    def __init__(self, argument: str | None = None) -> None:
        once = "once" in words("jellyfish", argument, ("once",))
        super().__init__(schedule_s=math.inf if once else PERIOD_S)

    def plan(self, known: Known) -> Deployment:
        layout, cluster = self.layout, self.layout.cluster
        batch = np.array([min(OTHER_BATCH, i.max_batch) for i in cluster.instances], np.int32)
        variants: list[dict[int, str]] = [{} for _ in layout.streams]
        for stage, members, instances in self._detectors():
            ranked = sorted(instances, key=lambda i: (-cluster.instances[i].recall, i))
            clients = [self._client(n, stage, ranked[0], known) for n in members]
            assignments = assign([cluster.instances[i].profile for i in ranked], clients)
            for i, assignment in zip(ranked, assignments, strict=True):
                batch[i] = assignment.batch
                for n in assignment.streams:
                    variants[n][stage] = cluster.instances[i].profile.model
        chosen = {}
        for n, stream in enumerate(layout.streams):
            for stage, slots in layout.choose(stream, {}, variants[n]).items():
                chosen[n, stage] = slots[:1] if cluster.stages[stage].first else slots[:MAX_REPLICAS]
        return deploy(layout, chosen, batch)

    def _detectors(self) -> list[tuple[int, list[int], list[int]]]:
        """Sets of streams that reach the same detectors: (stage, streams, the first instance of each variant on one
        device)."""
        layout, instances = self.layout, self.layout.cluster.instances
        found: list[tuple[int, list[int], list[int]]] = []
        for n, stream in enumerate(layout.streams):
            for stage in stream.stages:
                if not layout.cluster.stages[stage].first:
                    continue
                device = instances[layout.choose(stream, {})[stage][0]].device
                reach = layout.targets([layout.cluster.S + c for c in stream.cameras], stage)
                first: dict[str, int] = {}
                for i in reach:
                    if instances[i].device == device:
                        first.setdefault(instances[i].profile.model, i)
                known = next((entry for entry in found if entry[2] == list(first.values())), None)
                if known is None:
                    found.append((stage, [n], list(first.values())))
                else:
                    known[1].append(n)
        return found

    def _client(self, n: int, stage: int, instance: int, known: Known) -> Client:
        stream = self.layout.streams[n]
        transfer = _frame_ns(self.layout, stream, stage, self.layout.cluster.instances[instance].device, known.links)
        return Client(n, known.rates[n][stage], stream.slo_ns - transfer)


def _frame_ns(layout: Layout, stream: Stream, stage: int, device: int, links: Links) -> float:
    cameras = [layout.cluster.cameras[c] for c in stream.cameras if layout.cluster.cameras[c].stage == stage]
    size = max(camera.frame_bytes for camera in cameras)
    return links.transfer_ns(stream.device, device, size, sum(camera.fps for camera in cameras))
