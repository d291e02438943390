"""One instance from receiver to post-processing (contract, section 4)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from octogym.cluster.settings import DEADLINE, MAX_THREADS
from tests.reference.events import BATCH, POST, PRE, TIMER
from tests.reference.gpu import UNIT, Service
from tests.reference.requests import Request

if TYPE_CHECKING:
    from tests.reference.simulator import ReferenceSim


@dataclass
class Batch:
    frames: list[list[Request]]
    pack: int

    @property
    def images(self) -> list[Request]:
        return [image for frame in self.frames for image in frame]


class PostThread:
    """Idle, at work on a batch, or at rest until `rest_end`."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.left: deque[Request] = deque()
        self.rest_end = 0
        self.average: int | None = None  # of the local latency in this window

    def idle(self, now: int) -> bool:
        return self.batch is None and self.rest_end <= now


class InstanceState:
    def __init__(self, sim: ReferenceSim, index: int) -> None:
        cluster = sim.cluster
        self.sim = sim
        self.index = index
        self.spec = spec = cluster.instances[index]
        self.profile = spec.profile
        self.capacity = cluster.stages[spec.stage].queues
        self.slo = cluster.instance_slo_ns(index)
        self.budget = cluster.budget_ns(index)
        own = spec.profile.pre_ns + spec.profile.infer_ns[0] + spec.profile.post_ns
        self.budget_below = self.budget - own * 12 // 10
        self.lazy = cluster.lazy_drop
        # settings in force; sim.control changes them
        first = spec.initial
        self.active = spec.active
        self.pack, self.batch, self.pre, self.post = first.pack, first.batch, first.pre, first.post
        self.timeout_ns = first.timeout_ns
        self.post_threads: list[PostThread] = []
        self.empty(0)

    def empty(self, now: int) -> None:
        """Idle and without any request, as at the start or after an absence."""
        self.q1: deque[Request] = deque()
        self.pre_work: list[Request | None] = [None] * MAX_THREADS
        self.frame: list[Request] = []
        self.hand: list[tuple[int, list[Request]]] = []  # frames with the time at which each was complete
        self.timer = None
        self.q3: deque[Batch] = deque()
        self.inferring: Batch | None = None  # in service or in the GPU's line
        self.rest_end = now
        self.q4: deque[Batch] = deque()
        averages = [thread.average for thread in self.post_threads] or [None] * MAX_THREADS
        self.post_threads = [PostThread() for _ in range(MAX_THREADS)]
        for thread, average in zip(self.post_threads, averages, strict=True):
            thread.average = average

    def held(self) -> list[Request]:
        """Every image between receiver and end of post-processing."""
        batches = [*self.q3, *self.q4] + ([self.inferring] if self.inferring else [])
        return (
            list(self.q1)
            + [image for image in self.pre_work if image is not None]
            + self.frame
            + [image for _, frame in self.hand for image in frame]
            + [image for batch in batches for image in batch.images]
            + [image for thread in self.post_threads for image in thread.left]
        )

    # -- receiver and pre-processing

    def arrive(self, now: int, request: Request, checked: bool) -> None:
        request.arrival = now
        self.sim.count("arrived", self.index)
        if checked and self.lazy and now - request.birth > self.slo - self.budget:
            self.sim.finish(now, self.index, request, "dropped_late")
            return
        idle = any(self.pre_work[n] is None for n in range(self.pre))
        if not idle and len(self.q1) >= self.capacity[0]:
            self.sim.finish(now, self.index, self.q1.popleft(), "dropped_full")
        self.q1.append(request)
        self.start_pre(now)

    def start_pre(self, now: int) -> None:
        """Idle pre threads take what waits in Q1."""
        for n in range(self.pre):
            if self.pre_work[n] is None and self.q1:
                request = self.pre_work[n] = self.q1.popleft()
                takes = self.sim.service_time("pre", self, request, self.sim.stretched(self, self.profile.pre_ns))
                self.sim.events.at(now + takes, PRE, (self.index, n), self._pre_done, n, request)

    def _pre_done(self, now: int, n: int, request: Request) -> None:
        if self.pre_work[n] is not request:
            return
        self.pre_work[n] = None
        self.frame.append(request)
        if len(self.frame) >= self.pack:
            self._frame_leaves(now)
            if len(self.hand) >= self.batch:
                self.hand_leaves(now)
        self.start_pre(now)

    # -- batcher

    def flush(self, now: int) -> None:
        """The packing changes: the frame being filled leaves, then the batch in the hand."""
        if self.frame:
            self._frame_leaves(now)
        if self.hand:
            self.hand_leaves(now)

    def _frame_leaves(self, now: int) -> None:
        self.hand.append((now, self.frame))
        self.frame = []
        self.set_timer(now)

    def hand_leaves(self, now: int) -> None:
        batch = Batch([frame for _, frame in self.hand], self.pack)
        self.hand = []
        self.set_timer(now)
        if len(self.q3) >= self.capacity[2]:
            self._drop(now, self.q3.popleft())
        self.q3.append(batch)
        self.wake_inferencer(now)

    def set_timer(self, now: int) -> None:
        """Plan when the hand leaves though it is not full; what was planned before no longer holds."""
        self.timer = None
        leave = self._leave_time()
        if leave is not None:
            self.timer = object()
            self.sim.events.at(max(now, leave), TIMER, (self.index,), self._timer_fires, self.timer)

    def _leave_time(self) -> int | None:
        if not self.hand or self.timeout_ns == 0:
            return None
        if self.timeout_ns > 0:
            return self.hand[0][0] + self.timeout_ns
        assert self.timeout_ns == DEADLINE
        births = [image.birth for _, frame in self.hand for image in frame]
        own = (self.profile.infer_ns[self.batch - 1] + self.profile.post_ns) * 12 // 10
        return min(births) + self.slo - own - self.budget_below

    def _timer_fires(self, now: int, timer: object) -> None:
        if timer is self.timer:
            self.hand_leaves(now)

    # -- inferencer

    def wake_inferencer(self, now: int) -> None:
        """Plan a batch start, now or at the end of the rest."""
        if self.q3 and self.inferring is None:
            self.sim.events.at(max(now, self.rest_end), BATCH, (self.index,), self._batch_start)

    def _batch_start(self, now: int) -> None:
        if not self.q3 or self.inferring is not None or self.rest_end > now:
            return
        batch = self.inferring = self.q3.popleft()
        mean = self.profile.infer_ns[len(batch.frames) - 1]
        time = self.sim.service_time("infer", self, batch.images[0], mean)

        def started(_: int) -> None:
            self.sim.count("executed", self.index, len(batch.images))

        self.sim.gpus[self.spec.gpu].ask(now, Service(self.index, time * UNIT, started, self._inference_done))

    def _inference_done(self, now: int) -> None:
        batch = self.inferring
        assert batch is not None
        self.inferring = None
        self.rest_end = now + self.sim.options.pause_ns
        idle = any(thread.idle(now) for thread in self.post_threads[: self.post])
        if not idle and len(self.q4) >= self.capacity[3]:
            self._drop(now, self.q4.popleft())
        self.q4.append(batch)
        self.start_post(now)
        self.wake_inferencer(now)

    # -- post-processing

    def start_post(self, now: int) -> None:
        """Idle post threads take what waits in Q4."""
        for n, thread in enumerate(self.post_threads[: self.post]):
            if thread.idle(now) and self.q4:
                thread.batch = self.q4.popleft()
                thread.left = deque(thread.batch.images)
                for image in thread.left:
                    self._sample_latency(thread, now - image.arrival)
                self._begin_image(now, n)

    def _sample_latency(self, thread: PostThread, sample: int) -> None:
        average = thread.average
        if average is None:
            thread.average = sample
        elif sample > average:
            thread.average = (average + 4 * sample) // 5
        else:
            thread.average = (4 * average + sample) // 5

    def _begin_image(self, now: int, n: int) -> None:
        image = self.post_threads[n].left[0]
        takes = self.sim.service_time("post", self, image, self.sim.stretched(self, self.profile.post_ns))
        self.sim.events.at(now + takes, POST, (self.index, n), self._image_done, n, image)

    def _image_done(self, now: int, n: int, image: Request) -> None:
        thread = self.post_threads[n]
        if not thread.left or thread.left[0] is not image:
            return
        assert thread.batch is not None
        thread.left.popleft()
        self.sim.complete(now, self, image, thread.batch.pack)
        if thread.left:
            self._begin_image(now, n)
        else:
            thread.batch = None
            thread.rest_end = now + self.sim.options.pause_ns
            self.sim.events.at(thread.rest_end, POST, (self.index, n), self.start_post)

    def _drop(self, now: int, batch: Batch) -> None:
        for image in batch.images:
            self.sim.finish(now, self.index, image, "dropped_full")
