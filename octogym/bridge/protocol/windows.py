"""What a node does in each window: count it, apply the decision that names it, tell what it knows at its end."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional, Protocol, Sequence, Tuple

import numpy as np

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import WindowClock
from octogym.bridge.protocol.decisions import DecisionReader
from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.histograms import HistogramSender
from octogym.bridge.protocol.observations import ObsLayout, ObsRows
from octogym.bridge.protocol.rows import DecisionRows
from octogym.bridge.protocol.validity import Validity
from octogym.cluster.settings import KEEP
from octogym.cluster.telemetry import BY_SAFE

Send = Callable[[Any, Optional[bytes]], None]


class NodeHost(Protocol):
    """What a device does. Nothing here may block: everything runs within the session's loop."""

    def deploy(self, deployment: Deployment) -> bool:
        """Run this instead of what ran before, or was being made ready. False: it takes time, and
        `NodeMachine.deployed` will be called.

        Raises:
            DeployError: it cannot.
        """

    def peers(self, peers: Sequence[m.Peer]) -> None:
        """The devices that may be sent to, all of them."""

    def reset(self, seed: int) -> None:
        """Drain, take the initial settings and shares, count from zero."""

    def apply(self, rows: DecisionRows, window: int) -> None:
        """Set what `rows` does not keep, now. The caller keeps no reference."""

    def safe(self, instances: np.ndarray) -> None:
        """bool [S]: their settings have expired; each falls to its onboard agent, or to its safe settings."""

    def local(self, routes: np.ndarray) -> None:
        """bool [R]: their shares have expired; their groups fall to the first route."""

    def snapshot(self, window: int) -> ObsRows:
        """Everything as it stands now, at the end of `window`. The caller keeps no reference."""

    def onboard(self, window: int, instances: np.ndarray) -> None:
        """`window` begins: the onboard agents of `instances` bool [S] decide. Called where instances are under control
        of an agent, whether or not there is a host; without one the count goes on from its last window."""


class _Held(NamedTuple):
    act: m.Act
    rows: DecisionRows


class _Ready(NamedTuple):
    """The next observation, but for what is known only when it is sent."""

    window: int
    rows: ObsRows
    safe: bool
    tables: m.RawTables
    payload: bytes


class Windows:
    """The windows of one deployment. An epoch begins with `begin`, its windows with `start`.

    Args:
        send: takes a message and its payload for the host.
    """

    def __init__(self, deployment: Deployment, node: NodeHost, send: Send) -> None:
        self._deployment, self._node, self._send = deployment, node, send
        self._reader, self._layout = DecisionReader(deployment), ObsLayout(deployment)
        self._bins = HistogramSender(self._layout.histogram_size)
        self._agents = np.array([spec.control == "agent" for spec in deployment.instances], bool)
        # Those of the agents' that the host has overridden, until what it said expires.
        self._overridden = np.zeros(len(self._agents), bool)
        self._validity = Validity(deployment)
        self._fresh = False
        self.clock: Optional[WindowClock] = None
        #: Counts windows for the agents while no host does.
        self._alone: Optional[WindowClock] = None
        self.begin(0, 0)

    def begin(self, session: int, epoch: int) -> None:
        """A new epoch: no window is counted until `start`. What is in force stays, and so does its validity."""
        self._session, self._epoch = session, epoch
        if self._agents.any():
            self._alone = self.clock or self._alone
        self.clock = None
        self._held: Optional[_Held] = None
        self._observed_ns: Optional[int] = None
        self._act_seq, self._act_code = 0, ("", "")
        self._obs_seq = self._seen = 0
        self._heard = self._acted = -1
        self._ready: Optional[_Ready] = None
        self._bins.forget()

    def reset(self, now: int) -> None:
        """The device has begun to count from zero, with its initial settings."""
        self._validity.begin(now)
        self._fresh, self._ready = True, None
        self._overridden[:] = False

    def start(self, window: int, begins_ns: int) -> None:
        """`window` begins at `begins_ns`. A later call replaces an earlier one."""
        self.clock, self._ready = WindowClock(window, begins_ns, self._deployment.period_ns), None
        self._observed_ns = self._alone = None
        if self._fresh:
            # The initial settings count as stated in the window before.
            self._validity.begin(begins_ns - self._deployment.period_ns)
            self._fresh = False

    def fall(self) -> None:
        """No host any more: safe settings and local shares at once."""
        self._validity.forget()
        self._overridden[:] = False
        self._node.safe(np.ones(len(self._deployment.instances), bool))
        self._node.local(np.ones(len(self._deployment.routes), bool))

    @property
    def next_ns(self) -> int:
        """When `advance` is due."""
        clock, due = self.clock or self._alone, self._validity.next_ns
        return due if clock is None else min(due, clock.tick_ns)

    def advance(self, now: int) -> None:
        """Count the windows that have ended; let expire what has expired."""
        clock = self.clock
        ended = 0 if clock is None else clock.advance(now)
        if clock is not None and ended:
            self._observe(now, clock.window - 1, ended)
        if now >= self._validity.next_ns:
            instances, routes = self._validity.end(now)
            self._overridden &= ~instances
            if instances.any():
                self._node.safe(instances)
            if routes.any():
                self._node.local(routes)
        if self._agents.any():
            own = clock or self._alone
            if own is not None and (ended or (clock is None and own.advance(now))):
                self._node.onboard(own.window, self._agents & ~self._overridden)
        if clock is not None and ended:
            self._unhold(clock)

    @property
    def preparable(self) -> bool:
        """Whether `prepare` has something to do: once per window, after the host has named it and what has arrived."""
        return self._ready is None and self.clock is not None and self._heard >= self.clock.window

    def prepare(self, rows: ObsRows) -> None:
        """Pack now what is to be sent at the end of the window that runs, for a device that knows it before.

        Args:
            rows: what `NodeHost.snapshot` will return then: the same object, not to be changed before.
        """
        if self.preparable and self.clock is not None:
            self._ready = self._pack(rows, self.clock.window)

    def act(self, act: m.Act, payload: bytes) -> None:
        """A decision of this epoch.

        Raises:
            ProtocolError: it makes no sense; whatever is merely late or early is answered.
        """
        clock = self.clock
        if clock is None or act.seq < self._act_seq:
            raise ProtocolError("order", f"decision {act.seq} after {self._act_seq}, or before the start")
        if act.seq == self._act_seq:
            self._send(m.Ack(self._session, self._epoch, act.seq, *self._act_code), None)
            return
        self._act_seq = act.seq
        over = max(clock.window, self._heard)
        if act.window < over:
            self._ack(act.seq, "late", f"window {act.window}; now {over}")
        elif act.window > clock.window + 1:
            self._ack(act.seq, "early", f"window {act.window}; now {clock.window}")
        else:
            try:
                held = _Held(act, self._reader.read(act.tables, payload))
            except ProtocolError as error:
                self._ack(act.seq, "invalid", str(error))
                raise
            if act.window == clock.window:
                self._apply(held, clock)
            else:
                self._held = held
                self._ack(act.seq, "held", "")

    def ping(self, now: int, ping: m.Ping) -> Tuple[int, int]:
        """What a Ping of this epoch tells. Returns window and tick for the Pong."""
        self._heard = max(self._heard, ping.window)
        self._seen = max(self._seen, min(ping.seen, self._obs_seq))
        if self.clock is None:
            return -1, 0
        if ping.tick_ns:
            self.clock.correct(ping.window, ping.tick_ns)
        return self.clock.window, self.clock.tick_ns

    def _observe(self, now: int, window: int, ended: int) -> None:
        rows, ready = self._node.snapshot(window), self._ready
        if ready is None or ready.rows is not rows or ready.window != window:
            ready = self._pack(rows, window)
        self._obs_seq += 1
        self._ready = None
        first = self._observed_ns is None
        obs = m.Obs(
            self._session,
            self._epoch,
            self._obs_seq,
            window,
            windows=ended - 1 if first else ended,
            window_ns=0 if self._observed_ns is None else now - self._observed_ns,
            t_ns=now,
            heard=self._heard,
            acted_window=self._acted,
            safe=ready.safe,
            tables=ready.tables,
        )
        self._observed_ns = now
        self._send(obs, ready.payload)

    def _pack(self, rows: ObsRows, window: int) -> _Ready:
        index, count = self._bins.pack(rows.histograms, self._obs_seq + 1, self._seen)
        tables, payload = self._layout.write(rows, index, count)
        return _Ready(window, rows, bool((rows.flags[1] == BY_SAFE).any()), tables, payload)

    def _unhold(self, clock: WindowClock) -> None:
        held = self._held
        if held is None:
            return
        self._held = None
        if held.act.window == clock.window:
            self._apply(held, clock)
        else:
            self._ack(held.act.seq, "late", "its window passed while the node did not run")

    def _apply(self, held: _Held, clock: WindowClock) -> None:
        rows = held.rows
        if held.act.override:
            self._overridden |= self._agents & rows.stated()
        elif self._agents.any():
            rows = rows.copy()
            rows.settings[1:, self._agents] = KEEP
            rows.timeout_ns[self._agents] = KEEP
        self._node.apply(rows, clock.window)
        self._validity.state(rows, clock.tick_ns - clock.period_ns)
        self._acted = clock.window
        self._ack(held.act.seq, "", "")

    def _ack(self, seq: int, code: str, text: str) -> None:
        if seq == self._act_seq:
            self._act_code = (code, text[:1000])
        self._send(m.Ack(self._session, self._epoch, seq, code, text[:1000]), None)
