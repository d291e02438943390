"""The host's session: sockets and protocol in a thread of their own, which no policy can stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Protocol

from octogym.bridge.protocol.bell import Bell
from octogym.bridge.protocol.host import HostMachine
from octogym.bridge.sockets import DOOR, LOST, Admits, HostSockets
from octogym.cluster.errors import OctoGymError

CONTROL = "control"
_MS = 1_000_000
#: The thread looks up at least this often, and looks for keys that were revoked at most so often.
_AT_LEAST_MS, _LOOK_MS = 50, 20
#: News: another thread has something to send.
_WOKEN = "woken"
#: How long the thread lets another one go first that has what it waited for.
_FIRST_S = 0.001
#: Messages that are read before anything else is done.
_AT_ONCE = 64
_give_way: Callable[[], None] = getattr(os, "sched_yield", lambda: None)


class SessionEnded(OctoGymError, RuntimeError):
    """The session's thread has ended; its cause is the exception's."""


class AdmitsDevices(Admits, Protocol):
    """Who may connect, as which device, and whether that has changed."""

    @property
    def devices(self) -> Mapping[bytes, str]:
        """Public key -> device."""

    def refresh(self) -> bool:
        """Look again; whether anything has changed."""


class HostSession:
    """Runs `machine` over `sockets`. Everybody else speaks to the machine within `machine_now()`.

    Args:
        machine: the host's half of the protocol.
        sockets: listening already, on the channel "control"; the session closes them.
        admits: who may connect.
    """

    def __init__(self, machine: HostMachine, sockets: HostSockets, admits: AdmitsDevices) -> None:
        self._machine, self._sockets, self._admits = machine, sockets, admits
        self._changed = threading.Condition()
        self._bell = Bell()
        self._known = dict(admits.devices)
        self._look_ns = 0
        self._stop = self._closed = False
        #: What another thread waits for: it is not woken before.
        self._enough: Callable[[HostMachine], bool] | None = None
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="octogym-host", daemon=True)
        self._thread.start()

    @contextmanager
    def machine_now(self, wake: bool = True) -> Iterator[tuple[HostMachine, int]]:
        """The machine and the time now, for a moment: the sockets wait meanwhile. `wake`: it may have things to send.

        Raises:
            SessionEnded: the thread is gone.
        """
        with self._changed:
            self._check()
            yield self._machine, time.monotonic_ns()
        if wake:
            self._bell.ring()

    def wait(self, until_ns: int, enough: Callable[[HostMachine], bool] | None = None, earliest_ns: int = 0) -> None:
        """Wait until `until_ns` of the monotonic clock, or until `enough` holds and it is `earliest_ns`. For one thread
        at a time.

        Raises:
            SessionEnded: the thread is gone.
        """
        with self._changed:
            try:
                while True:
                    self._check()
                    now, due_ns, self._enough = time.monotonic_ns(), until_ns, enough
                    if enough is not None and enough(self._machine):
                        due_ns, self._enough = min(until_ns, earliest_ns), None
                    if now >= due_ns:
                        return
                    self._changed.wait((due_ns - now) / 1e9)
            finally:
                self._enough = None

    def admitted(self) -> dict[str, bytes]:
        """Device -> public key of everybody who may connect."""
        return {device: key for key, device in self._known.items()}

    def turned_away(self) -> dict[str, int]:
        """What the sockets have refused since the start, by reason (`octogym.bridge.sockets.Door`)."""
        return asdict(self._sockets.door)

    def close(self) -> None:
        """Say good-bye, stop the thread, close the sockets."""
        if self._closed:
            return
        self._closed = True
        with self._changed:
            self._machine.bye(time.monotonic_ns(), "the host ends")
            self._stop = True
        self._bell.ring()
        self._thread.join()
        self._bell.close()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._sockets.watch(self._bell.descriptor, _WOKEN)
            due_ns = 0
            while not self._stop:
                left_ms = -(-(due_ns - time.monotonic_ns()) // _MS)
                news = self._sockets.wait(max(0, min(_AT_LEAST_MS, left_ms)))
                if _WOKEN in news:
                    self._bell.quiet()
                with self._changed:
                    if self._hear(news):
                        # Whoever steps the rack comes first; what is due can wait for so long.
                        self._changed.notify_all()
                        self._changed.wait(_FIRST_S)
                    self._speak()
                    due_ns = self._machine.deadline_ns()
        except BaseException as error:  # whoever waits for this thread must hear of it
            self._problem = error
        finally:
            with self._changed:
                self._stop = True
                self._changed.notify_all()
            self._sockets.close()

    def _hear(self, news: set[str]) -> bool:
        """Take in what has come. Whether that is what somebody waits for; the rest is left for then."""
        machine, sockets, now = self._machine, self._sockets, time.monotonic_ns()
        if now >= self._look_ns:
            self._look_ns = now + _LOOK_MS * _MS
            if self._admits.refresh():
                self._admit(now)
        if DOOR in news:
            sockets.answer_door(now)
        if LOST in news:
            for channel, key in sockets.lost():
                if channel == CONTROL:
                    machine.link(now, key, False)
        left, more = _AT_ONCE if CONTROL in news else 0, False
        while left:
            message = sockets.receive(CONTROL)
            if message is None:
                if not more or self._enough is None:
                    break
                # Where many tell at once, whoever reads them from the network shares this core: it gets it now, and not
                # between any two of them, since to wait and be woken costs as much as a message.
                more = False
                _give_way()
                continue
            left, more = left - 1, True
            machine.receive(time.monotonic_ns(), *message)
            if self._enough is not None and self._enough(machine):
                return True
        return self._enough is not None and self._enough(machine)

    def _speak(self) -> None:
        machine, sockets = self._machine, self._sockets
        machine.tick(time.monotonic_ns())
        for key, frames in machine.outbox():
            if not sockets.send(CONTROL, key, frames) and not sockets.connected(CONTROL, key):
                machine.link(time.monotonic_ns(), key, False)

    def _admit(self, now_ns: int) -> None:
        """Tell everybody who may connect from now on."""
        allowed = self._admits.devices
        for key in set(self._known) - set(allowed):
            self._machine.revoke(now_ns, key)
            self._sockets.forget(key)
        for key in set(allowed) - set(self._known):
            self._machine.allow(now_ns, key, allowed[key])
        self._known = dict(allowed)

    def _check(self) -> None:
        if self._problem is not None:
            raise SessionEnded("the bridge's session has ended") from self._problem
        if self._stop:
            raise SessionEnded("the bridge's session is closed")
