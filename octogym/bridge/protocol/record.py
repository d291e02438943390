"""What the host keeps of one device of the roster."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, FrozenSet, NamedTuple, Optional, Tuple

from octogym.bridge.protocol import facts as f
from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import OffsetFilter, WindowGrid
from octogym.bridge.protocol.codec import Frames
from octogym.bridge.protocol.deployment import Deployment, contract_hash, encode_deployment
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.ledger import MAX_PENDING, NO_BINS, Ledger
from octogym.bridge.protocol.limits import Bucket, Gate
from octogym.bridge.protocol.observations import ObsLayout

#: Decisions whose answers are told apart.
_ACTS = 4


class Contract:
    """A deployment with its bytes and what follows from it."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment, self.data = deployment, encode_deployment(deployment)
        self.hash, self.layout = contract_hash(self.data), ObsLayout(deployment)


@dataclass
class Command:
    """A command that waits for its answer."""

    message: Any
    frames: Frames
    sent_ns: int
    wait_ns: int
    tries: int = 1
    revision: int = 0  # of the peers that it told

    @property
    def due_ns(self) -> int:
        return self.sent_ns + self.wait_ns


@dataclass
class Pending:
    """A decision that waits for its answer."""

    seq: int
    window: int
    frames: Frames
    due_ns: int


class Arrived(NamedTuple):
    """An observation, without its arrays."""

    obs: m.Obs
    sure: bool  # taken after its window began on the host's grid


class Record:
    """A device: who speaks for it, how far it is placed and started, and what it has told."""

    def __init__(self, device: str, key: bytes, gate: Gate) -> None:
        self.device, self.key, self.gate = device, key, gate
        self.boots: Deque[int] = deque(maxlen=16)
        self.contract: Optional[Contract] = None
        self.ledger: Optional[Ledger] = None
        self.hello: Optional[m.Hello] = None
        self.version = 0
        self.fault, self.text = f.ABSENT, ""
        self.link_down, self.revoked = False, False
        self.heard_ns = -1
        self.instances: FrozenSet[str] = frozenset()
        self.offset = OffsetFilter()
        self.latest: Optional[m.Obs] = None
        self.arrived: Deque[Arrived] = deque(maxlen=MAX_PENDING)
        self.late = 0
        self.used: Optional[m.Obs] = None
        self.answers: Dict[int, str] = {}
        #: Refusals by rule.
        self.refused: Dict[str, int] = {}
        self.rejects = Bucket(per_second=5, burst=3)
        self.hellos = Bucket(per_second=5, burst=10)
        self.leave()

    def leave(self) -> None:
        """No session with this device."""
        self.welcomed = False
        self.retry_ns = 0
        self.forget_epoch()

    def forget_epoch(self) -> None:
        """The device is to be placed anew."""
        self.epoch = self.seq = self.seen = 0
        self.deployed = self.running = False
        self.episode, self.peers_revision, self.first_window = -1, 0, -1
        self.command: Optional[Command] = None
        self.act: Optional[Pending] = None
        self.acts: Dict[int, int] = {}  # window by seq, of the last few decisions

    def place(self, contract: Optional[Contract]) -> None:
        """Another deployment, counting from zero."""
        self.contract = contract
        self.instances = frozenset(() if contract is None else (spec.id for spec in contract.deployment.instances))
        self.count_anew()
        self.retry_ns = 0
        self.forget_epoch()

    def count_anew(self) -> None:
        """An episode begins."""
        self.ledger = None if self.contract is None else Ledger(self.contract.layout)
        self.arrived.clear()
        self.answers.clear()
        self.latest = self.used = None
        self.late = 0

    def decide(self, seq: int, window: int, frames: Frames, due_ns: int) -> None:
        """A decision is on its way, to be sent again at `due_ns`."""
        self.act = Pending(seq, window, frames, due_ns)
        self.acts[seq] = window
        for old in list(self.acts)[:-_ACTS]:
            del self.acts[old]
        self.answers[window] = f.UNANSWERED

    def observe(self, now: int, message: m.Obs, payload: bytes, grid: WindowGrid, collected: int) -> None:
        """Take in an observation of this epoch.

        Raises:
            ProtocolError: rules "order", "table", "bytes", "finite".
        """
        contract, ledger = self.contract, self.ledger
        if contract is None or ledger is None or self.first_window < 0 or message.seq <= self.seen:
            raise ProtocolError("order", f"observation {message.seq} after {self.seen}")
        if message.window < self.first_window - 1 or (self.latest is not None and message.window < self.latest.window):
            raise ProtocolError("order", f"observation of window {message.window}, which is over")
        ledger.add(message.window, contract.layout.read(message.tables, payload))
        self.seen, self.latest = message.seq, message
        self.arrived.append(Arrived(message, message.heard >= message.window))
        if message.window <= collected:
            self.late += 1

    def collect(self, window: int, now: int, grid: WindowGrid) -> f.NodeFacts:
        """What is known of this device at the end of `window`."""
        fresh, obs = False, None
        while self.arrived and self.arrived[0].obs.window <= window:
            obs, sure = self.arrived.popleft()
            fresh = sure and obs.window == window
        rows, bins = (None, NO_BINS) if self.ledger is None else self.ledger.fold(window)
        used, windows, covered = self.used, 0, 0
        if obs is not None:
            windows, covered = self._covered(used, obs, grid)
            self.used = used = obs
        present = self.running and not self.link_down and 0 <= self.first_window <= window + 1
        missed = max(0, window - used.window) if used is not None else 0
        stale = present and not fresh
        fault, text = self._fault(present, stale)
        late, self.late = self.late, 0
        act = self.answers.pop(window, f.UNSENT)
        if self.answers:
            for old in [w for w in self.answers if w <= window]:
                del self.answers[old]
        if self.running:
            self.fault, self.text = "", ""
        # In the order of its fields: this is done for every device in every window.
        return f.NodeFacts(
            self.device,
            present,
            fresh,
            -1 if used is None else max(0, now - grid.end(used.window)),
            missed,
            late,
            fault,
            text,
            act,
            -1 if used is None else used.acted_window,
            used is not None and used.safe,
            self.link_down,
            stale,
            covered,
            windows,
            None if used is None else rows,
            bins,
        )

    def told(self, window: int) -> bool:
        """Whether nothing more is to be expected of `window`: told, or not there to tell."""
        if not self.running or self.link_down or self.first_window > window + 1:
            return True
        return self.latest is not None and self.latest.window >= window

    def status(self, now: int) -> f.NodeStatus:
        """For people."""
        best = self.offset.best
        if self.revoked:
            state = "revoked"
        elif not self.welcomed:
            state = "absent"
        elif self.link_down:
            state = "lost"
        elif self.running:
            state = "running"
        else:
            state = "failed" if self.fault == f.DEPLOY else "joining"
        return f.NodeStatus(
            device=self.device,
            state=state,
            hello=self.hello,
            version=self.version,
            epoch=self.epoch,
            offset_ns=None if best is None else best.offset_ns,
            bound_ns=None if best is None else best.bound_ns,
            silent_ns=-1 if self.heard_ns < 0 else now - self.heard_ns,
            refused=dict(self.refused),
        )

    def _covered(self, used: Optional[m.Obs], obs: m.Obs, grid: WindowGrid) -> Tuple[int, int]:
        """Windows and measured time since the observation used before."""
        if used is None:
            return obs.windows, obs.window_ns
        windows = obs.window - used.window
        if obs.seq > used.seq and obs.epoch == used.epoch:
            measured = obs.t_ns - used.t_ns
            if abs(measured - windows * grid.period_ns) <= grid.period_ns:
                return windows, measured
        return windows, windows * grid.period_ns

    def _fault(self, present: bool, stale: bool) -> Tuple[str, str]:
        if self.revoked:
            return f.REVOKED, ""
        if self.link_down and self.fault != f.BYE:
            return f.LINK_DOWN, ""
        if self.fault:
            return self.fault, self.text
        if not present:
            return f.JOINING, ""
        return (f.STALE, "") if stale else ("", "")
