"""Training in the background while the loop goes on, and weights that change only for better ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Protocol, runtime_checkable

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.collected import Recent, Site


@dataclass(frozen=True)
class Request:
    """Devices that came and went, by name: what a training is for. Asked for at `asked_s`."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    asked_s: float

    def joined(self, other: Request) -> Request:
        """Both in one; what came and went again counts as gone."""
        removed = dict.fromkeys((*self.removed, *other.removed))
        added = [name for name in dict.fromkeys((*self.added, *other.added)) if name not in other.removed]
        return Request(tuple(added), tuple(name for name in removed if name not in other.added), other.asked_s)


@dataclass(frozen=True)
class Trial:
    """What a training came to. `before`, `after`: errors of the old and the new weights on held-out samples. `learned`:
    the new weights, whatever the decider makes of them; None with the `problem` that there was."""

    learned: Any
    before: float
    after: float
    problem: str = ""

    @property
    def better(self) -> bool:
        """Whether the new weights are not worse."""
        return self.learned is not None and self.after <= self.before


@dataclass(frozen=True)
class Outcome:
    """What became of a request at `done_s`: whether the new weights were adopted, and both errors."""

    request: Request
    done_s: float
    adopted: bool
    before: float
    after: float
    problem: str


@runtime_checkable
class Tunable(Protocol):
    """A `Decider` that can be trained on what a loop collected."""

    def tune(self, e: int, request: Request, site: Site, recent: Recent, seed: int, stop: Callable[[], bool]) -> Trial:
        """New weights for environment ``e``. Nothing that decides is changed, so it may run beside decisions.

        Args:
            stop: whether to give up; asked often.

        Raises:
            SchedulerError: what was collected cannot be learned from.
        """

    def adopt(self, e: int, learned: Any) -> None:
        """Decide by `Trial.learned` from the next decision on, as a whole."""

    def forget(self, e: int) -> None:
        """Back to the weights that all environments begin with."""


@dataclass(frozen=True)
class Tuning:
    """How trainings run.

    Attributes:
        inline: at once, before the next window, and handed over ``takes_s`` later, so that a simulated run gives the
            same decisions every time; else in a thread, handed over when it is done.
        takes_s: seconds of the cluster (the published finetuning takes less than 30 s).
    """

    inline: bool = False
    takes_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.takes_s >= 0:
            raise SchedulerError(f"takes_s = {self.takes_s}: expected seconds, 0 or more")


#: A training that is ready to run: asked whether to stop, it returns what came of it.
Job = Callable[[Callable[[], bool]], Trial]


class Background:
    """At most one training at a time. Requests that come while one runs are joined and are next."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._running: Request | None = None
        self._waiting: Request | None = None
        self._ready_s = 0.0
        self._found: Trial | BaseException | None = None
        self._thread: Thread | None = None
        self._stop = Event()

    def ask(self, request: Request) -> None:
        """Have a training run when there is none."""
        self._waiting = request if self._waiting is None else self._waiting.joined(request)

    def next(self) -> Request | None:
        """The request that may start now; `start` is expected."""
        return self._waiting if self._running is None else None

    def start(self, now_s: float, job: Job) -> None:
        """Run the request that `next` gave."""
        self._running, self._waiting, self._found = self._waiting, None, None
        self._stop = Event()
        if self._tuning.inline:
            self._ready_s = now_s + self._tuning.takes_s
            self._run(job, self._stop)
        else:
            self._thread = Thread(target=self._run, args=(job, self._stop), daemon=True, name="octogym-finetune")
            self._thread.start()

    def poll(self, now_s: float) -> tuple[Request, Trial] | None:
        """A training that is done, once.

        Raises:
            BaseException: what the training raised, if that is no `SchedulerError`.
        """
        if self._running is None:
            return None
        if self._tuning.inline:
            if now_s < self._ready_s:
                return None
        else:
            assert self._thread is not None
            if self._thread.is_alive():
                return None
            self._thread = None
        request, found = self._running, self._found
        self._running = self._found = None
        if isinstance(found, BaseException):
            raise found
        assert found is not None
        return request, found

    def stop(self) -> None:
        """Give everything up; a thread that still runs ends soon, and what it finds is dropped."""
        self._stop.set()
        self._running = self._waiting = self._found = self._thread = None

    def wait(self, timeout_s: float | None = None) -> None:
        """Until the thread that runs has ended, if there is one."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, job: Job, stop: Event) -> None:
        found: Trial | BaseException
        try:
            found = job(stop.is_set)
        except SchedulerError as error:
            found = Trial(None, float("nan"), float("nan"), str(error))
        except BaseException as error:  # raised again where it is waited for
            found = error
        if stop is self._stop and not stop.is_set():
            self._found = found
