"""From a device's Hello to its windows: Deploy, Peers, Reset, Start, each repeated until it is answered.

What a device needs next follows from what it has confirmed, so that it does not matter which message was lost or which
side began anew: the same few steps bring every device to where the host wants it.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from octogym.bridge.protocol import facts as f
from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import MS, NEVER, WindowGrid
from octogym.bridge.protocol.codec import Frames, encode
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.record import Command, Record

#: First pause before a command is sent again, and the longest.
RESEND_NS, RESEND_MOST_NS = 100 * MS, 2_000 * MS
#: Pause before a device that could not run its deployment is asked again.
RETRY_NS = 5_000 * MS
#: Starts tried for an answer that is fast enough to fix the phase well.
START_TRIES = 4

Post = Callable[[Record, Frames], None]


class Handshake:
    """Places and starts devices.

    Args:
        session: the host's.
        grid: its windows.
        phase_ns: how far a device's windows may be off the grid.
        post: takes frames for a device.
    """

    def __init__(self, session: int, grid: WindowGrid, phase_ns: int, post: Post) -> None:
        self._session, self._grid, self.phase_ns, self._post = session, grid, phase_ns, post
        self._epoch = 0
        self.episode, self.seed = 1, 0
        #: The first window of the episode; None until the owner starts it.
        self.first: Optional[int] = None
        self._peers: Dict[str, m.Peer] = {}
        self._revision = 0

    def set_peers(self, peers: Dict[str, m.Peer]) -> None:
        if peers != self._peers:
            self._peers, self._revision = dict(peers), self._revision + 1

    def advance(self, record: Record, now: int) -> int:
        """Send what `record` needs next, if it is due. Returns when to call again."""
        if not record.welcomed or record.contract is None or now < record.retry_ns:
            return record.retry_ns if record.welcomed and now < record.retry_ns else NEVER
        kind = self._needed(record)
        if kind is None:
            record.command = None
            return NEVER
        command = record.command
        if command is None or not isinstance(command.message, kind):
            record.command = command = self._make(record, kind, now)
        elif now >= command.due_ns:
            command.wait_ns = min(RESEND_MOST_NS, 2 * command.wait_ns)
            if kind is m.Start:
                tries = command.tries
                record.command = command = self._make(record, kind, now, command.wait_ns)
                command.tries = tries + 1
            else:
                command.sent_ns = now
        else:
            return command.due_ns
        self._send(record, command, now)
        return command.due_ns

    def _needed(self, record: Record) -> Any:
        if not record.deployed:
            return m.Deploy
        if record.peers_revision != self._revision:
            return m.Peers
        if record.episode != self.episode:
            return m.Reset
        if self.first is not None and not record.running:
            return m.Start
        return None

    def _make(self, record: Record, kind: Any, now: int, wait_ns: int = RESEND_NS) -> Command:
        contract = record.contract
        if contract is None:
            raise AssertionError("a device without a deployment needs nothing")
        if kind is m.Deploy:
            self._epoch += 1
            record.forget_epoch()
            record.epoch = self._epoch
        record.seq += 1
        head = (self._session, record.epoch, record.seq)
        message: Any
        payload = None
        if kind is m.Deploy:
            message, payload = m.Deploy(*head, contract.hash), contract.data
        elif kind is m.Peers:
            others: List[m.Peer] = [peer for device, peer in self._peers.items() if device != record.device]
            message = m.Peers(*head, others)
        elif kind is m.Reset:
            message = m.Reset(*head, self.episode, self.seed)
        else:
            window = self._grid.index(now + self._grid.period_ns // 4) + 1
            record.first_window = max(window, self.first or 0)
            message = m.Start(*head, record.first_window, self._grid.start(record.first_window) - now)
        return Command(message, encode(message, payload), now, wait_ns, revision=self._revision)

    def _send(self, record: Record, command: Command, now: int) -> None:
        self._post(record, command.frames)
        if isinstance(command.message, m.Start):
            self.ping(record, now)

    def ping(self, record: Record, now: int) -> None:
        """Name the window that runs, and what has arrived."""
        window, best, tick = self._grid.index(now), record.offset.best, 0
        if record.running and best is not None and best.bound_ns <= self._grid.period_ns // 16:
            tick = self._grid.end(window) + best.offset_ns
        self._post(record, encode(m.Ping(self._session, record.epoch, now, window, tick, record.seen)))

    # --- answers ---------------------------------------------------------------------------------------------------

    def on_deployed(self, record: Record, now: int, reply: m.Deployed) -> None:
        command = self._answered(record, m.Deploy, reply.seq)
        contract = record.contract
        if contract is None or reply.contract_hash != contract.hash:
            raise ProtocolError("hash", f"device {record.device} has deployment {reply.contract_hash[:64]}")
        if reply.code == "busy":
            command.sent_ns, command.wait_ns = now, RESEND_MOST_NS
            return
        record.command = None
        if reply.code:
            record.fault, record.text = f.DEPLOY, f"{reply.code}: {reply.text}"
            record.retry_ns = now + RETRY_NS
            return
        record.deployed, record.episode = True, reply.episode

    def on_ack(self, record: Record, now: int, reply: m.Ack) -> None:
        """The answer to Peers or Reset."""
        command = self._answered(record, (m.Peers, m.Reset), reply.seq)
        if isinstance(command.message, m.Peers):
            record.peers_revision = command.revision
        else:
            record.episode = command.message.episode
        record.command = None

    def on_started(self, record: Record, now: int, reply: m.Started) -> None:
        command = self._answered(record, m.Start, reply.seq)
        if now - command.sent_ns > self.phase_ns and command.tries < START_TRIES:
            # The node's phase is late by what the message took. A later Start replaces it.
            wait, tries = command.wait_ns, command.tries
            record.command = self._make(record, m.Start, now, wait)
            record.command.tries = tries + 1
            self._send(record, record.command, now)
            return
        record.running, record.command = True, None

    def _answered(self, record: Record, kind: Any, seq: int) -> Command:
        command = record.command
        if command is None or not isinstance(command.message, kind) or command.message.seq != seq:
            raise ProtocolError("order", f"an answer to command {seq}, which nobody waits for")
        return command
