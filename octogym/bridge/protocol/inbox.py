"""What the host does with each message of a device."""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence

from octogym.bridge.protocol import facts as f
from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import PHASE_SHARE, WindowGrid
from octogym.bridge.protocol.codec import Frames, encode, reader
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.handshake import Handshake
from octogym.bridge.protocol.record import Record

Post = Callable[[Record, Frames], None]
Log = Callable[[Record, str, str], None]


class Inbox:
    """Reads, checks and handles messages of devices whose key is known.

    Args:
        versions: of the protocol that the host speaks.
        post: takes frames for a device.
        log: takes an event's kind and text.
        model_port: of the socket for weights, which nodes are told of.
    """

    def __init__(
        self,
        session: int,
        grid: WindowGrid,
        versions: Sequence[int],
        handshake: Handshake,
        post: Post,
        log: Log,
        model_port: int = 0,
    ) -> None:
        self._session, self._grid, self._versions = session, grid, tuple(versions)
        self._handshake, self._post, self._log = handshake, post, log
        self._reader, self._model_port = reader(m.FROM_NODE), model_port
        self._collected = -1
        self._handlers: Dict[Any, Callable[[Record, int, Any, bytes], None]] = {
            m.Hello: self._on_hello,
            m.Deployed: self._on_deployed,
            m.Started: self._on_started,
            m.Ack: self._on_ack,
            m.Obs: self._on_obs,
            m.Pong: self._on_pong,
            m.Fault: self._on_fault,
            m.Bye: self._on_bye,
        }

    def take(self, record: Record, now: int, frames: Sequence[bytes], collected: int) -> None:
        """A message of `record`'s device; windows up to `collected` are settled.

        Raises:
            ProtocolError: it is refused.
        """
        if not record.gate.passes(now, sum(map(len, frames))):
            raise ProtocolError("rate", f"device {record.device} sends more than a key may")
        message, payload = self._reader.read(frames)
        self._collected = collected
        self._handlers[type(message)](record, now, message, payload)
        record.heard_ns = now

    def _on_hello(self, record: Record, now: int, hello: m.Hello, payload: bytes) -> None:
        if hello.device != record.device:
            text = f"this key is that of device {record.device!r}, not of {hello.device!r}"
            raise self._reject(record, now, hello, "identity", text)
        if hello.boot in record.boots:
            text = "a later process speaks for this device; two with one key cannot"
            raise self._reject(record, now, hello, "superseded", text)
        known = record.hello
        if known is not None and known.boot == hello.boot and hello.nonce <= known.nonce:
            raise ProtocolError("order", f"greeting {hello.nonce} after {known.nonce}")
        if not record.hellos.take(now):
            raise ProtocolError("rate", f"device {record.device} greets more than five times a second")
        common = sorted(set(self._versions) & set(hello.versions))
        if not common:
            text = f"the host speaks version {' or '.join(map(str, self._versions))}, the node {hello.versions}"
            raise self._reject(record, now, hello, "version", text)
        expected = record.fault == f.BYE
        if known is None or known.boot != hello.boot or record.fault != f.RESTARTED:  # not told of yet
            record.fault, record.text = "", ""
        if known is not None and known.boot != hello.boot:
            record.boots.append(known.boot)
            record.fault = "" if expected else f.RESTARTED
            if record.ledger is not None:
                record.ledger.died()
        self._log(record, "hello", f"boot {hello.boot:x}, version {common[-1]}")
        record.leave()
        record.offset.clear()
        record.hello, record.version, record.welcomed = hello, common[-1], True
        welcome = m.Welcome(self._session, hello.nonce, common[-1], self._grid.period_ns, self._model_port)
        self._post(record, encode(welcome))

    def _reject(self, record: Record, now: int, hello: m.Hello, rule: str, text: str) -> ProtocolError:
        if record.rejects.take(now):
            self._log(record, "rejected", text)
            self._post(record, encode(m.Reject(0, hello.boot, hello.nonce, rule, text)))
        return ProtocolError(rule, text)

    def _check(self, record: Record, now: int, message: Any) -> None:
        """Session and epoch. A node of another session is told, so that it greets this one."""
        if message.session != self._session:
            if record.rejects.take(now):
                self._post(record, encode(m.Reject(message.session, 0, 0, "session", "another session")))
            raise ProtocolError("session", f"session {message.session}; ours is {self._session}")
        if not record.welcomed or not record.epoch or message.epoch != record.epoch:
            raise ProtocolError("epoch", f"epoch {message.epoch}; ours is {record.epoch}")

    def _on_deployed(self, record: Record, now: int, message: m.Deployed, payload: bytes) -> None:
        self._check(record, now, message)
        self._handshake.on_deployed(record, now, message)
        if message.code and message.code != "busy":
            self._log(record, "deploy", record.text)

    def _on_started(self, record: Record, now: int, message: m.Started, payload: bytes) -> None:
        self._check(record, now, message)
        self._handshake.on_started(record, now, message)
        if record.running:
            self._log(record, "started", f"epoch {record.epoch}, window {record.first_window}")

    def _on_ack(self, record: Record, now: int, message: m.Ack, payload: bytes) -> None:
        self._check(record, now, message)
        window = record.acts.get(message.seq)
        if window is None:
            self._handshake.on_ack(record, now, message)
            return
        if window in record.answers:
            record.answers[window] = message.code
        if record.act is not None and record.act.seq == message.seq:
            record.act = None

    def _on_obs(self, record: Record, now: int, message: m.Obs, payload: bytes) -> None:
        self._check(record, now, message)
        early = self._grid.end(message.window) - now
        if early > self._grid.period_ns // PHASE_SHARE:
            self._again(record, now, f.CLOCK, f"window {message.window} reported {early} ns before its end")
            raise ProtocolError("order", "an observation of a window that has not ended")
        record.observe(now, message, payload, self._grid, self._collected)

    def _on_pong(self, record: Record, now: int, message: m.Pong, payload: bytes) -> None:
        if message.session != self._session:
            self._check(record, now, message)
        if message.t1_ns > now:
            raise ProtocolError("order", "an answer to a Ping of the future")
        sample = record.offset.add(message.t1_ns, message.t2_ns, message.t3_ns, now)
        if sample is None or not record.running or message.epoch != record.epoch or message.window < 0:
            return
        off = message.tick_ns - sample.offset_ns - self._grid.end(message.window)
        if abs(off) > self._handshake.phase_ns + sample.bound_ns:
            self._again(record, now, f.CLOCK, f"its windows are {off} ns off the grid")

    def _on_fault(self, record: Record, now: int, message: m.Fault, payload: bytes) -> None:
        self._check(record, now, message)
        record.fault, record.text = message.code, message.text
        self._log(record, "fault", f"instance {message.instance}: {message.code} {message.text}")

    def _on_bye(self, record: Record, now: int, message: m.Bye, payload: bytes) -> None:
        if message.session != self._session:
            raise ProtocolError("session", f"session {message.session}; ours is {self._session}")
        record.leave()
        record.fault, record.text = f.BYE, message.text
        self._log(record, "bye", message.text)

    def _again(self, record: Record, now: int, fault: str, text: str) -> None:
        """Place and start a device anew, in a new epoch."""
        self._log(record, "restart", f"{fault}: {text}")
        record.fault, record.text = fault, text
        record.forget_epoch()
        record.offset.clear()
