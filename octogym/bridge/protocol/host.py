"""HostMachine: the host's half of the protocol, without sockets, threads or clocks of its own.

The owner reads frames and the clock, calls `receive` and, at `deadline_ns()` at the latest, `tick`, and sends what
`outbox` returns. A step is `act(window)`, then `collect(window)` at `collect_at(window)`; neither waits for anything.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import Deque, Dict, List, Mapping, Optional, Sequence, Tuple

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.acts import Acts
from octogym.bridge.protocol.beat import Beat
from octogym.bridge.protocol.clock import MS, NEVER, PHASE_SHARE, Steady, WindowGrid
from octogym.bridge.protocol.codec import Frames, encode
from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.facts import Event, NodeFacts, NodeStatus
from octogym.bridge.protocol.handshake import Handshake
from octogym.bridge.protocol.inbox import Inbox
from octogym.bridge.protocol.limits import Gate, Rates
from octogym.bridge.protocol.record import Contract, Record
from octogym.bridge.protocol.rows import DecisionRows
from octogym.bridge.protocol.weights import HostWeights


class HostMachine:
    """All devices' sessions with the host.

    Args:
        now_ns: the host's monotonic clock; window 0 begins now.
        session: drawn anew whenever a host starts, 1 to 2**62.
        period_ns: length of a window.
        roster: device id by public key.
        grace_ns: time after a tick in which observations still count for its window.
        versions: of the protocol that it speaks.
        rates: how much each key may send.
        model_port: of the socket on which weights are taken; 0 = there is none.
    """

    def __init__(
        self,
        now_ns: int,
        session: int,
        period_ns: int,
        roster: Mapping[bytes, str],
        grace_ns: int = 20 * MS,
        versions: Sequence[int] = m.SPOKEN,
        rates: Optional[Rates] = None,
        model_port: int = 0,
    ) -> None:
        if not 0 < session <= 2**62 or period_ns < MS or not 0 <= grace_ns < period_ns:
            raise ValueError(
                f"session = {session}, period_ns = {period_ns}, grace_ns = {grace_ns}; allowed: 1 to 2**62, at least "
                "1 ms, 0 to less than a period"
            )
        self._steady = Steady()
        self.session, self.grace_ns = session, grace_ns
        self._rates = rates or Rates()
        self._grid = WindowGrid(self._steady.read(now_ns), period_ns)
        # A device further off the grid would be late with every observation.
        phase_ns = min(period_ns // PHASE_SHARE, max(10 * MS, grace_ns * 3 // 4))
        self._handshake = Handshake(session, self._grid, phase_ns, self._post)
        self._records: Dict[str, Record] = {}
        self._keys: Dict[bytes, Record] = {}
        self._out: Deque[Tuple[bytes, Frames]] = deque()
        self._events: Deque[Event] = deque(maxlen=1000)
        #: Refusals by rule, since the start.
        self.refused: Dict[str, int] = {}
        self._collected, self._next, self._beat = -1, self._grid.origin_ns, Beat(self._grid)
        self._closed = False
        # Who was found last not to have told, counted; asked first, as this is asked for every message.
        self._waited = 0
        self._acts = Acts(session, period_ns, self._post)
        self._inbox = Inbox(session, self._grid, versions, self._handshake, self._post, self._log, model_port)
        #: Weights travel on a socket of their own.
        self.weights = HostWeights(session, self._keys)
        for key, device in roster.items():
            self.allow(now_ns, key, device)

    # --- owner: the roster -------------------------------------------------------------------------------------------

    def allow(self, now_ns: int, key: bytes, device: str) -> None:
        """`key` speaks for `device` from now on, and no other key does."""
        old = self._records.get(device)
        if key in self._keys and self._keys[key] is not old:
            raise ValueError(
                f"device {device!r}: its key is that of {self._keys[key].device!r}; allowed: a key of its own"
            )
        record = Record(device, key, Gate(self._rates))
        if old is not None:
            self._keys.pop(old.key, None)
            record.contract, record.ledger, record.instances = old.contract, old.ledger, old.instances
            if record.ledger is not None and old.latest is not None:
                record.ledger.died()
            record.used, record.latest = old.used, old.latest
        self._records[device] = self._keys[key] = record

    def revoke(self, now_ns: int, key: bytes) -> None:
        """Whatever `key` sends from now on is dropped. Nothing if it is not in the roster."""
        record = self._keys.pop(key, None)
        if record is not None:
            record.leave()
            record.revoked = True
            self._out = deque(item for item in self._out if item[0] != key)
            self._log(record, "revoked", "")

    def link(self, now_ns: int, key: bytes, up: bool) -> None:
        """The transport's word on the connection of `key`."""
        record = self._keys.get(key)
        if record is not None and record.link_down == up:
            record.link_down = not up
            self._log(record, "link", "up" if up else "down")

    # --- owner: an episode -------------------------------------------------------------------------------------------

    def deploy(self, now_ns: int, deployments: Mapping[str, Deployment]) -> None:
        """Place instances anew. Devices without a deployment run nothing. `reset` and `start` follow."""
        unknown = sorted(set(deployments) - set(self._records))
        if unknown:
            raise ValueError(f"deployments of {unknown}; allowed: devices of the roster, {sorted(self._records)}")
        for device, record in self._records.items():
            record.place(Contract(deployments[device]) if device in deployments else None)
        self.reset(now_ns, 0)

    def set_peers(self, now_ns: int, peers: Mapping[str, m.Peer]) -> None:
        """Where devices find each other, by device; told to all but itself."""
        self._handshake.set_peers(dict(peers))
        self._soon()

    def reset(self, now_ns: int, seed: int) -> int:
        """A new episode: every device drains and counts from zero, in a new epoch. Returns the episode's number."""
        self._handshake.episode += 1
        self._handshake.seed, self._handshake.first = seed, None
        for record in self._records.values():
            record.count_anew()
            record.forget_epoch()
        self._soon()
        return self._handshake.episode

    def ready(self) -> Dict[str, bool]:
        """Whether each device that has a deployment is placed and reset, and waits for the start or runs."""
        episode = self._handshake.episode
        return {
            device: record.welcomed and record.deployed and record.episode == episode and not record.link_down
            for device, record in self._records.items()
            if record.contract is not None
        }

    def start(self, now_ns: int) -> int:
        """Start the devices that are ready, and every other as soon as it is. Returns the episode's first window; the
        observations of the window before it are the state at its start."""
        if self._handshake.first is None:
            now = self._steady.read(now_ns)
            self._handshake.first = self._grid.index(now + self._grid.period_ns // 4) + 1
            self._soon()
            self.tick(now_ns)
        return self._handshake.first

    def act(
        self, now_ns: int, window: int, rows: Mapping[str, DecisionRows], override: bool = False
    ) -> Tuple[str, ...]:
        """Decide for `window`, this one or the next. Returns the devices that it was sent to: those that count windows
        by then; none if the window is over."""
        now = self._steady.read(now_ns)
        current = self._grid.index(now)
        if window > current + 1:
            raise ValueError(f"window = {window}; allowed: {current} (now) or {current + 1}")
        sent = []
        for device, decision in rows.items():
            record = self._records[device]
            if window < current or not record.running or record.link_down or record.first_window > window:
                continue
            self._next = min(self._next, self._acts.send(record, now, window, decision, override))
            sent.append(device)
        return tuple(sent)

    def collect(self, now_ns: int, window: int) -> Dict[str, NodeFacts]:
        """What is known of each device at the end of `window`. Never waits; windows can only be collected in order."""
        if window < self._collected:
            raise ValueError(f"window = {window}; allowed: {self._collected} or later, as that was collected")
        now = self._steady.read(now_ns)
        self._collected = window
        return {device: record.collect(window, now, self._grid) for device, record in self._records.items()}

    def complete(self, window: int) -> bool:
        """Whether every device that counts windows has told of `window`, so that waiting longer brings nothing."""
        records = list(self._records.values())
        for k in chain(range(self._waited, len(records)), range(self._waited)):
            if not records[k].told(window):
                self._waited = k
                return False
        return True

    def status(self, now_ns: int) -> Dict[str, NodeStatus]:
        """What is known of each device apart from its windows."""
        now = self._steady.read(now_ns)
        return {device: record.status(now) for device, record in self._records.items()}

    def bye(self, now_ns: int, text: str = "") -> None:
        """End the session: devices take their safe settings at once and look for a host."""
        self._steady.read(now_ns)
        for record in self._records.values():
            if record.welcomed:
                self._post(record, encode(m.Bye(self.session, text[:1000])))
                record.leave()
        self._closed = True

    # --- owner: time and frames --------------------------------------------------------------------------------------

    def window(self, now_ns: int) -> int:
        """The window on the grid."""
        return self._grid.index(self._steady.read(now_ns))

    def tick_ns(self, window: int) -> int:
        """When `window` ends, on the owner's clock."""
        return self._steady.outside(self._grid.end(window))

    def collect_at(self, window: int) -> int:
        """When `collect(window)` is due, on the owner's clock."""
        return self.tick_ns(window) + self.grace_ns

    def receive(self, now_ns: int, peer_key: bytes, frames: Sequence[bytes]) -> None:
        """Frames from whoever holds `peer_key`, which the transport has checked."""
        now = self._steady.read(now_ns)
        record = self._keys.get(peer_key)
        try:
            if record is None or self._closed:
                raise ProtocolError("stranger", "no such key in the roster")
            self._inbox.take(record, now, frames, self._collected)
        except ProtocolError as error:
            self.refused[error.rule] = self.refused.get(error.rule, 0) + 1
            if record is not None:
                record.refused[error.rule] = record.refused.get(error.rule, 0) + 1
            return
        if record.link_down:
            self.link(now_ns, peer_key, True)
        if not record.running or record.command is not None:
            self._move(record, now)

    def tick(self, now_ns: int) -> None:
        """Do what is due."""
        now = self._steady.read(now_ns)
        if self._closed:
            return
        everybody = self._beat.everybody(now, self.complete)
        for record in self._beat.some(now, self._records.values()):
            if record.welcomed and not record.link_down and self._records[record.device] is record:
                self._handshake.ping(record, now)
        if now < self._next and not everybody:
            return
        window, self._next = self._grid.index(now), NEVER
        for record in self._records.values():
            if not record.welcomed:
                continue
            self._move(record, now)
            self._next = min(self._next, self._acts.again(record, now, window))
            if everybody:
                self._handshake.ping(record, now)

    def deadline_ns(self) -> int:
        """When `tick` must be called at the latest, on the owner's clock."""
        return self._steady.outside(min(self._next, self._beat.next_ns))

    def outbox(self) -> List[Tuple[bytes, Frames]]:
        """What is to be sent, as (key, frames), oldest first; and forgets it."""
        found = list(self._out)
        self._out.clear()
        return found

    def events(self) -> List[Event]:
        """What happened since the last call, at most the latest thousand."""
        found = list(self._events)
        self._events.clear()
        return found

    # --- inside ----------------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        self._next = min(self._next, self._grid.origin_ns)

    def _post(self, record: Record, frames: Frames) -> None:
        if not record.revoked:
            self._out.append((record.key, frames))

    def _log(self, record: Record, kind: str, text: str) -> None:
        self._events.append(Event(self._steady.outside(self._steady.last), record.device, kind, text))

    def _move(self, record: Record, now: int) -> None:
        self._next = min(self._next, self._handshake.advance(record, now))
