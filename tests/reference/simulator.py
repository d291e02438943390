"""A reference simulator: docs/contract.md as an event list, for one environment, written to be read."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from octogym.cluster import draws
from octogym.cluster.decision import Decision
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import PACK_RECALL
from tests.reference.cameras import CameraSource
from tests.reference.control import Control, Group
from tests.reference.events import FRAME, Events
from tests.reference.gpu import Gpu
from tests.reference.instance import InstanceState
from tests.reference.keys import fold, uniform
from tests.reference.ledger import Ledger, telemetry_of
from tests.reference.links import Downlink, Link, Message, Rate
from tests.reference.requests import Family, Request, takes

CAMERA_Q5 = 100  # messages
SERVICE_KIND = {"pre": 0, "infer": 1, "post": 2}


class ReferenceSim:
    """`step` takes a decision of one environment and returns the fields of `Telemetry` without their first axis.

    `log`: per finished request (instance, key, birth_ns, arrival_ns, end_ns, fate), fate "completed", "dropped_full",
    "dropped_late", "lost" (held by an instance whose device left) or "dropped_out" (instance: the message's source,
    S + camera for frames; arrival: when the message joined Q5).
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.cluster = scenario.cluster
        self.options = scenario.options
        self.seed = seed
        self.family = Family(self.cluster)
        self.reset()

    def reset(self) -> dict[str, Any]:
        cluster, options = self.cluster, self.options
        self.now = 0
        self.plan = self.scenario.plan(self.seed)
        self.events = Events()
        self.ledger = Ledger(cluster)
        self.log: list[tuple[int, int, int, int, int, str]] = []
        self.gpus = [
            Gpu(cluster.first_gpu(d) + g, device.type.lanes, options.contention, self.events)
            for d, device in enumerate(cluster.devices)
            for g in range(device.type.gpus)
        ]
        self.instances = [InstanceState(self, i) for i in range(cluster.S)]
        self.control = Control(cluster, self.instances, options.spread, options.delay_steps)
        self.groups = self.control.groups
        self.q5: list[deque[Message]] = [deque() for _ in self.groups]
        self.joined = 0
        rates = [Rate(link, self.scenario.rates) for link in self.plan.links]
        self.uplinks = [Link(d, rates[d], self.events, self._uplink_done) for d in range(cluster.D)]
        self.downlinks = [Downlink(d, rates[cluster.D + d], self.events, self._downlink_done) for d in range(cluster.D)]
        self.present = [True] * cluster.D
        self.cameras = [CameraSource(self.scenario, p, self.seed, c) for c, p in enumerate(self.plan.cameras)]
        for camera in self.cameras:
            self._plan_frame(camera, 0, 0)
        self._move_devices()
        self._set_stretch()
        return telemetry_of(self)

    def step(self, decision: Decision) -> dict[str, Any]:
        """Apply `decision` and advance one period."""
        self.ledger.begin_window(self)
        self._move_devices()
        self.control.apply(self.now, decision)
        self._set_stretch()
        for instance in self.instances:
            instance.start_pre(self.now)
            instance.start_post(self.now)
        end = self.now + self.cluster.period_ns
        self.events.run_until(end)
        self.now = end
        for gpu in self.gpus:
            gpu.progress(end)
        for link in [*self.uplinks, *self.downlinks]:
            link.count_busy(end)
        return telemetry_of(self)

    # -- what instances ask for

    def count(self, name: str, instance: int, n: int = 1) -> None:
        self.ledger.instance[name][instance] += n

    def stretched(self, instance: InstanceState, time: int) -> int:
        demand, cores = self.demand[instance.spec.device], self.cluster.devices[instance.spec.device].type.cores
        return -(-time * demand // cores) if self.options.contention and demand > cores else time

    def service_time(self, kind: str, instance: InstanceState, request: Request, mean: int) -> int:
        if not getattr(self.options, "exponential_" + kind):
            return mean
        key = fold(request.key, int(draws.SERVICE), instance.spec.stage, SERVICE_KIND[kind])
        return max(1, math.floor(-math.log(1.0 - uniform(key)) * mean))

    def finish(self, now: int, instance: int, request: Request, fate: str) -> None:
        """A request ends at an instance without being completed; its leaves with it."""
        self.count(fate, instance)
        self._log(now, instance, request, request.arrival, fate)
        leaves = self.family.leaves(self.instances[instance].spec.stage, request)
        self.ledger.settle(request, "lost_results" if fate == "lost" else "dropped", leaves)

    def complete(self, now: int, instance: InstanceState, image: Request, pack: int) -> None:
        """Post-processing of `image` ends: a result, or crops for the next stages."""
        i, age, camera = instance.index, now - image.birth, self.cluster.cameras[image.camera]
        self.count("completed", i)
        if age <= instance.slo - instance.budget_below:
            self.count("on_time", i)
        self.ledger.latency(i, now - image.arrival)
        self._log(now, i, image, image.arrival, "completed")
        stage = instance.spec.stage
        if not self.family.edges[stage]:
            self.ledger.leaf_latency(i, age)
            self.ledger.settle(image, "on_time_results" if age <= camera.slo_ns else "late", 1)
            return
        found = []
        recall = instance.spec.recall * (PACK_RECALL[pack - 1] if image.counts is not None else 1.0)
        for object_class, key in self.family.objects(stage, image):
            if recall == 1.0 or uniform(fold(key, int(draws.RECALL))) < recall:
                found.append((object_class, key))
            else:
                self.ledger.settle(image, "missed", self.family.leaves_of_object(stage, object_class, key))
        for group in self.groups:
            if group.source == i:
                edge = self.cluster.edges[group.routes[0].edge]
                crops = [Request(key, image.camera, image.birth) for q, key in found if takes(edge, q)]
                self._emit(now, group, crops, edge.crop_bytes)

    # -- cameras

    def _plan_frame(self, camera: CameraSource, k: int, before: int) -> None:
        time = camera.time_of(k, before)
        self.events.at(time, FRAME, (camera.index,), self._frame, camera, k)

    def _frame(self, now: int, camera: CameraSource, k: int) -> None:
        self._plan_frame(camera, k + 1, now)
        spec = self.cluster.cameras[camera.index]
        if not self.present[spec.device]:
            return
        counts = camera.counts_at(k, now)
        if counts is None:
            return
        frame = Request(camera.key_of(k), camera.index, now, counts)
        self.ledger.generate(frame, sum(counts), self.family.leaves(spec.stage, frame))
        for group in self.groups:
            if group.source == self.cluster.S + camera.index:
                self._emit(now, group, [frame], spec.frame_bytes)

    # -- spreading and sending

    def _device_of_source(self, source: int) -> int:
        S = self.cluster.S
        return self.instances[source].spec.device if source < S else self.cluster.cameras[source - S].device

    def _open(self, target: int) -> bool:
        return self.instances[target].active and self.present[self.instances[target].spec.device]

    def _emit(self, now: int, group: Group, crops: list[Request], size_bytes: int) -> None:
        """Spread the crops of one image over the group's routes, then let one message per target leave."""
        packets: list[list[Request]] = [[] for _ in group.routes]
        for crop in crops:
            chosen = group.spreader.next()
            others = [r for r, route in enumerate(group.routes) if self._open(route.target)]
            if self._open(group.routes[chosen].target):
                packets[chosen].append(crop)
            elif others:
                packets[others[0]].append(crop)
            else:
                self.ledger.settle(crop, "lost_results", self.family.leaves(group.stage, crop))
        for route, packet in zip(group.routes, packets, strict=True):
            if packet:
                self._send(now, group, route.target, packet, size_bytes * len(packet))

    def _send(self, now: int, group: Group, target: int, crops: list[Request], size_bytes: int) -> None:
        device = self._device_of_source(group.source)
        if self.instances[target].spec.device == device:
            for crop in crops:
                self.instances[target].arrive(now, crop, checked=crop.counts is None)
            return
        q5 = self.q5[group.number]
        is_instance = group.source < self.cluster.S
        capacity = self.instances[group.source].capacity[4] if is_instance else CAMERA_Q5
        if len(q5) >= capacity:
            message = q5.popleft()
            for crop in message.requests:
                if is_instance:
                    self.count("dropped_out", group.source)
                self._log(now, group.source, crop, message.queued_ns, "dropped_out")
                self.ledger.settle(crop, "dropped", self.family.leaves(group.stage, crop))
        self.joined += 1
        q5.append(Message(group.number, target, size_bytes, crops, now, self.joined))
        self._next_on_uplink(now, device)

    def _next_on_uplink(self, now: int, device: int) -> None:
        waiting = [self.q5[g.number] for g in self.groups if self._device_of_source(g.source) == device]
        waiting = [q5 for q5 in waiting if q5]
        if waiting and self.uplinks[device].message is None:
            oldest = min(waiting, key=lambda q5: q5[0].joined)
            self.uplinks[device].send(now, oldest.popleft())

    def _uplink_done(self, now: int, message: Message) -> None:
        device = self.instances[message.target].spec.device
        if self.present[device]:
            self.downlinks[device].reach(now + self.cluster.link_latency_ns, message)
        else:
            self._lose_message(message)
        self._next_on_uplink(now, self._device_of_source(self.groups[message.group].source))

    def _downlink_done(self, now: int, message: Message) -> None:
        target = self.instances[message.target]
        for crop in message.requests:
            target.arrive(now, crop, checked=True)
        self.downlinks[target.spec.device].next(now)

    # -- presence and stretch

    def _move_devices(self) -> None:
        for d, intervals in enumerate(self.plan.absent_ns):
            present = not any(int(leaves) <= self.now < int(returns) for leaves, returns in intervals)
            if self.present[d] and not present:
                self._leave(d)
            self.present[d] = present

    def _leave(self, device: int) -> None:
        for gpu in range(self.cluster.first_gpu(device), self.cluster.first_gpu(device + 1)):
            self.gpus[gpu].lose_all(self.now)
        for instance in self.instances:
            if instance.spec.device == device:
                for request in instance.held():
                    self.finish(self.now, instance.index, request, "lost")
                instance.empty(self.now)
        messages = self.uplinks[device].lose(self.now) + self.downlinks[device].lose(self.now)
        for group in self.groups:
            if self._device_of_source(group.source) == device:
                messages += self.q5[group.number]
                self.q5[group.number].clear()
        for message in messages:
            self._lose_message(message)

    def _lose_message(self, message: Message) -> None:
        stage = self.groups[message.group].stage
        for crop in message.requests:
            self.ledger.settle(crop, "lost_results", self.family.leaves(stage, crop))

    def _set_stretch(self) -> None:
        self.demand = [0] * self.cluster.D
        for instance in self.instances:
            if instance.active and self.present[instance.spec.device]:
                self.demand[instance.spec.device] += instance.pre + instance.post

    def _log(self, now: int, instance: int, request: Request, arrival: int, fate: str) -> None:
        self.log.append((instance, request.key, request.birth, arrival, now, fate))
