"""OctopInf's estimates of latency, cost and replicas, from profiles and rates (fcpo spec 8.2, steps 2 to 4).

Times are float nanoseconds, rates requests/s. Inference time per image is always the batch's time divided by its size
(decision D29), and profiles are used as they are (D28).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from octogym.cluster.topology import Cluster, Profile
from octogym.scheduler.layout import Layout, Stream
from octogym.scheduler.rates import StageRates

#: Replicas of a model at most.
MAX_REPLICAS = 4
#: Parts of the process and pre-processing rates that must cover the arrivals: when replicas are added and removed.
ADD, REMOVE = (0.85, 0.95), (0.75, 0.90)
#: The same of the pre-processing rate before queueing is estimated.
QUEUEING = 0.8


def queueing_ns(rate: float, service_rate: float) -> float:
    """Mean wait before a server of `service_rate`: rho^2 / (1 - rho) / rate, infinite from rho = 1 on."""
    rho = rate / service_rate
    if rho >= 1:
        return math.inf
    return 0.0 if rate <= 0 else rho * rho / (1 - rho) / rate * 1e9


def batch_ns(profile: Profile, batch: int) -> float:
    """Longest time of an image in a batch: pre-processing, inference and post-processing of all of them."""
    return batch * (profile.pre_ns + profile.post_ns) + profile.infer_ns[batch - 1]


def image_ns(profile: Profile, batch: int) -> float:
    """Work for one image in a batch."""
    return profile.pre_ns + profile.infer_ns[batch - 1] / batch + profile.post_ns


def pre_rate(profile: Profile) -> float:
    """Images/s that one pre-processor prepares."""
    return 1e9 / max(profile.pre_ns, 1)


def process_rate(profile: Profile, batch: int) -> float:
    """Images/s of one replica behind its pre-processor: inference and post-processing, one after the other (ours: the
    specification names the rate and not its terms)."""
    return 1e9 / (profile.infer_ns[batch - 1] / batch + profile.post_ns)


def covers(profile: Profile, batch: int, replicas: int, rate: float, margins: tuple[float, float] = ADD) -> bool:
    """Whether that many replicas carry a rate with the margins (process rate, pre-processing rate)."""
    process, pre = margins
    return rate <= replicas * min(process * process_rate(profile, batch), pre * pre_rate(profile))


@dataclass(frozen=True)
class Model:
    """One stage of a stream as planned: on `slots[:replicas]` or others of these instances, with `batch`."""

    slots: tuple[int, ...]
    profile: Profile
    device: int
    rate: float
    batch: int = 1
    replicas: int = 1

    @property
    def most(self) -> int:
        return min(MAX_REPLICAS, len(self.slots))

    def covered(self) -> bool:
        return covers(self.profile, self.batch, self.replicas, self.rate)

    def with_batch(self, batch: int) -> Model:
        return replace(self, batch=batch)

    def raised(self) -> Model:
        """With as many replicas as the rate needs, as far as there are instances."""
        n = self.replicas
        while n < self.most and not (
            covers(self.profile, self.batch, n, self.rate)
            and self.rate <= n * QUEUEING * pre_rate(self.profile)  # before queueing is estimated
        ):
            n += 1
        return replace(self, replicas=n)

    def lowered(self) -> Model:
        """Without the replicas that are not needed."""
        n = self.replicas
        while n > 1 and covers(self.profile, self.batch, n - 1, self.rate, REMOVE):
            n -= 1
        return replace(self, replicas=n)


@dataclass(frozen=True)
class Estimate:
    """`latency_ns`: of the longest path, `cost_ns`: work and transfer summed along all paths."""

    latency_ns: float
    cost_ns: float


class Links:
    """Times on the network from mean bandwidths, float64 [L] bit/s."""

    def __init__(self, cluster: Cluster, bandwidth_bps: np.ndarray) -> None:
        self._up, self._down = bandwidth_bps[: cluster.D], bandwidth_bps[cluster.D :]
        self._latency_ns = cluster.link_latency_ns

    def transfer_ns(self, source: int, target: int, message_bytes: float, messages: float) -> float:
        """Time of one message from device to device, one link after the other; 0 within a device; infinite on links
        that `messages` a second would fill (ours, as queueing is infinite at a full server)."""
        if source == target:
            return 0.0
        bits = 8 * message_bytes
        if min(self._up[source], self._down[target]) <= max(bits * messages, 0):
            return math.inf
        return bits * 1e9 / self._up[source] + bits * 1e9 / self._down[target] + self._latency_ns


def estimate(layout: Layout, stream: Stream, models: dict[int, Model], links: Links) -> Estimate:
    """Latency and cost of a stream's pipeline (fcpo spec 8.2, steps 2 and 3)."""
    latency: dict[int, float] = {}
    cost: dict[int, float] = {}
    for stage in stream.stages:
        model = models[stage]
        wait = queueing_ns(model.rate, model.replicas * pre_rate(model.profile))
        process = batch_ns(model.profile, model.batch)
        arrive, spent, longest = 0.0, 0.0, 0.0
        parents = [p for p in layout.parents[stage] if p in models]
        if not parents:
            arrive = longest = _from_cameras(layout, stream, stage, model, links)
        for parent in parents:
            transfer = _from_parent(layout, parent, stage, models, links)
            arrive = max(arrive, latency[parent] + transfer)
            spent, longest = spent + cost[parent], max(longest, transfer)
        latency[stage] = arrive + wait + process
        cost[stage] = spent + image_ns(model.profile, model.batch) + longest
    leaves = [s for s in stream.stages if not any(child in models for child in layout.children[s])]
    return Estimate(max(latency[s] for s in leaves), sum(cost[s] for s in leaves))


def _from_cameras(layout: Layout, stream: Stream, stage: int, model: Model, links: Links) -> float:
    cameras = [layout.cluster.cameras[c] for c in stream.cameras if layout.cluster.cameras[c].stage == stage]
    largest = max(camera.frame_bytes for camera in cameras)
    return links.transfer_ns(stream.device, model.device, largest, sum(camera.fps for camera in cameras))


def _from_parent(layout: Layout, parent: int, stage: int, models: dict[int, Model], links: Links) -> float:
    """A message holds all crops of one image; images without crops send none."""
    rate = models[stage].rate
    images = min(rate, models[parent].rate)
    crops = rate / images if images > 0 else 1.0
    size = crops * crop_bytes(layout, parent, stage)
    return links.transfer_ns(models[parent].device, models[stage].device, size, images)


def crop_bytes(layout: Layout, parent: int, stage: int) -> int:
    return max(edge.crop_bytes for edge in layout.cluster.edges if (edge.source, edge.target) == (parent, stage))


def output_bytes(layout: Layout, stage: int, rates: StageRates) -> float:
    """Mean bytes that one request of a stage sends on."""
    if rates[stage] <= 0:
        return 0.0
    return sum(rates[c] * crop_bytes(layout, stage, c) for c in layout.children[stage] if c in rates) / rates[stage]


def input_bytes(layout: Layout, stream: Stream, stage: int) -> float:
    """Bytes of one request of a stage."""
    cameras = [layout.cluster.cameras[c] for c in stream.cameras if layout.cluster.cameras[c].stage == stage]
    parents = [p for p in layout.parents[stage] if p in stream.stages]
    return max([c.frame_bytes for c in cameras] + [crop_bytes(layout, p, stage) for p in parents])
