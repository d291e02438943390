"""NodeMachine: a device's half of the protocol, without sockets, threads or clocks of its own.

The owner reads frames and the clock, calls `receive` and, at `deadline_ns()` at the latest, `tick`, and sends what
`outbox` returns. What the device really does stands behind `NodeHost`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import Steady
from octogym.bridge.protocol.codec import Frames, encode, reader
from octogym.bridge.protocol.deployment import Deployment, decode_deployment
from octogym.bridge.protocol.errors import DeployError, ProtocolError
from octogym.bridge.protocol.greeting import HELLO_MOST_NS, Card, Greeting
from octogym.bridge.protocol.limits import Gate, Rates
from octogym.bridge.protocol.weights import NodeWeights
from octogym.bridge.protocol.windows import NodeHost, Windows

#: Most messages kept for an owner that does not send; the oldest go first.
MAX_OUT = 256


class NodeMachine:
    """One device's session with the host.

    Args:
        now_ns: the node's monotonic clock.
        node: the device.
        card: who it is.
        versions: of the protocol that it speaks.
        rates: how much the host may send.
    """

    def __init__(
        self, now_ns: int, node: NodeHost, card: Card, versions: Sequence[int] = m.SPOKEN, rates: Optional[Rates] = None
    ) -> None:
        self._node, self._boot, self._versions = node, card.boot, tuple(versions)
        self._steady, self._reader = Steady(), reader(m.FROM_HOST)
        self._gate = Gate(rates or Rates())
        self._out: Deque[Frames] = deque(maxlen=MAX_OUT)
        self._greeting = Greeting(self._steady.read(now_ns), card, versions)
        #: Refusals by rule, since the start.
        self.refused: Dict[str, int] = {}
        #: The host's last Reject of a Hello: code and text; empty after a Welcome.
        self.rejected: Tuple[str, str] = ("", "")
        #: Weights travel on a socket of their own.
        self.weights = NodeWeights()
        #: Where the host takes them, at the address by which it was found; 0 = nowhere, or not known yet.
        self.model_port = 0
        self.session = self.epoch = self.episode = self.version = 0
        self._deployment: Optional[Deployment] = None
        #: Those of the deployment that runs.
        self.windows: Optional[Windows] = None
        self._hash = ""
        self._command, self._deploy_seq = 0, 0
        self._reply: Frames = []
        self._handlers: Dict[Any, Callable[[int, Any, bytes], None]] = {
            m.Welcome: self._on_welcome,
            m.Reject: self._on_reject,
            m.Deploy: self._on_deploy,
            m.Peers: self._on_peers,
            m.Reset: self._on_reset,
            m.Start: self._on_start,
            m.Act: self._on_act,
            m.Ping: self._on_ping,
            m.Bye: self._on_bye,
        }

    # --- owner -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """greeting, welcomed, deploying, ready or running. One that runs and looks for a lost host keeps running."""
        if self.window >= 0:
            return "running"
        if not self.session:
            return "greeting"
        if not self.epoch:
            return "welcomed"
        return "deploying" if self._deployment is not None and self.windows is None else "ready"

    @property
    def greeting(self) -> bool:
        """Whether the host is looked for."""
        return self._greeting.active

    @property
    def window(self) -> int:
        """The window it is in; -1 where none are counted."""
        clock = None if self.windows is None else self.windows.clock
        return -1 if clock is None else clock.window

    def receive(self, now_ns: int, peer_key: bytes, frames: Sequence[bytes]) -> None:
        """Frames from the host, whose key the transport has checked."""
        now = self._now(now_ns)
        try:
            if not self._gate.passes(now, sum(map(len, frames))):
                raise ProtocolError("rate", "more than the host may send")
            message, payload = self._reader.read(frames)
            self._handlers[type(message)](now, message, payload)
        except ProtocolError as error:
            self.refused[error.rule] = self.refused.get(error.rule, 0) + 1

    def tick(self, now_ns: int) -> None:
        """Do what is due."""
        self._now(now_ns)

    def outbox(self) -> List[Tuple[bytes, Frames]]:
        """What is to be sent, oldest first, and forgets it. The key is empty: there is one host."""
        found = [(b"", frames) for frames in self._out]
        self._out.clear()
        return found

    def deadline_ns(self) -> int:
        """When `tick` must be called at the latest, on the owner's clock."""
        due = self._greeting.next_ns
        if self.windows is not None:
            due = min(due, self.windows.next_ns)
        return self._steady.outside(due)

    def deployed(self, now_ns: int, deployment: Deployment, code: str = "", text: str = "") -> None:
        """What `NodeHost.deploy` began is done, or has failed with `code`. Nothing if another deployment came since."""
        self._now(now_ns)
        if deployment is self._deployment and self.windows is None:
            self._end_deploy(deployment, code, text)

    def fault(self, now_ns: int, instance: int, code: str, text: str = "") -> None:
        """Tell the host that instance `instance` (its row; -1: the device) is not well."""
        self._now(now_ns)
        if self.session and self.epoch:
            self._send(m.Fault(self.session, self.epoch, self.window, instance, code[:200], text[:1000]))

    def bye(self, now_ns: int, text: str = "") -> None:
        """Leave on purpose: the host raises no alarm."""
        self._now(now_ns)
        if self.session:
            self._send(m.Bye(self.session, text[:1000]))
        self._greeting.stop()
        self._leave()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _now(self, now_ns: int) -> int:
        """The time, after all that was due by then."""
        now = self._steady.read(now_ns)
        if self.windows is not None:
            self.windows.advance(now)
        hello = self._greeting.due(now)
        if hello is not None:
            self._send(hello)
        return now

    def _send(self, message: Any, payload: Optional[bytes] = None) -> None:
        self._out.append(encode(message, payload))

    def _leave(self) -> None:
        """No session; windows are counted no more."""
        self.session = self.weights.session = self.episode = 0
        self._begin(0, 0)

    def _begin(self, epoch: int, seq: int) -> None:
        self.epoch, self._command, self._deploy_seq, self._reply = epoch, seq, seq, []
        if self.windows is not None:
            self.windows.begin(self.session, epoch)

    def _hear(self, now: int, message: Any) -> None:
        if not self.session or message.session != self.session:
            raise ProtocolError("session", f"session {message.session}; ours is {self.session}")
        # What is meant for another epoch is no sign that the host still counts on this process.
        if getattr(message, "epoch", self.epoch) == self.epoch:
            self._greeting.heard(now)

    def _current(self, now: int, message: Any) -> Windows:
        """The windows of the epoch that `message` speaks of."""
        self._hear(now, message)
        if not self.epoch or message.epoch != self.epoch:
            raise ProtocolError("epoch", f"epoch {message.epoch}; ours is {self.epoch}")
        if self.windows is None:
            raise ProtocolError("order", f"{type(message).__name__} before the deployment runs")
        return self.windows

    def _repeated(self, message: Any) -> bool:
        """Whether a command was answered before; it is answered again."""
        if message.seq < self._command:
            raise ProtocolError("order", f"command {message.seq} after {self._command}")
        if message.seq == self._command:
            self._out.append(self._reply)
        return bool(message.seq == self._command)

    def _answer(self, seq: int, reply: Any) -> None:
        self._command, self._reply = seq, encode(reply)
        self._out.append(self._reply)

    # --- messages --------------------------------------------------------------------------------------------------

    def _on_welcome(self, now: int, message: m.Welcome, payload: bytes) -> None:
        if not self._greeting.answers(message.nonce):
            raise ProtocolError("order", "a Welcome to no Hello of now")
        if message.version not in self._versions:
            raise ProtocolError("version", f"version {message.version}; spoken here: {self._versions}")
        if message.session != self.session:
            self._leave()
            self.session = self.weights.session = message.session
        self.version, self._greeting.period_ns = message.version, message.period_ns
        self.model_port, self.rejected = message.model_port, ("", "")
        self._greeting.heard(now)

    def _on_reject(self, now: int, message: m.Reject, payload: bytes) -> None:
        if message.nonce == 0:
            if message.session == self.session:
                self._greeting.begin(now)
        elif message.boot == self._boot and self._greeting.answers(message.nonce):
            self.rejected = (message.code, message.text)
            self._greeting.rejected(now)

    def _on_deploy(self, now: int, message: m.Deploy, payload: bytes) -> None:
        self._hear(now, message)
        if message.epoch < self.epoch or not message.epoch:
            raise ProtocolError("epoch", f"epoch {message.epoch}; ours is {self.epoch}")
        if message.epoch == self.epoch:
            if message.seq == self._deploy_seq == self._command:
                self._out.append(self._reply)
            return
        self._greeting.heard(now)
        if message.contract_hash == self._hash:
            self._begin(message.epoch, message.seq)
            self._reply_deploy("" if self.windows is not None else "busy", "")
            return
        deployment = decode_deployment(payload, message.contract_hash)
        self._begin(message.epoch, message.seq)
        self._deployment, self.windows, self._hash, self.episode = deployment, None, message.contract_hash, 0
        try:
            done = self._node.deploy(deployment)
        except DeployError as error:
            self._end_deploy(deployment, error.code, error.text)
            return
        if done:
            self._end_deploy(deployment, "", "")
        else:
            self._reply_deploy("busy", "")

    def _end_deploy(self, deployment: Deployment, code: str, text: str) -> None:
        if not code:
            self.windows = Windows(deployment, self._node, self._send)
            self.windows.begin(self.session, self.epoch)
            self.weights.instances = frozenset(spec.id for spec in deployment.instances)
        if self.epoch:
            self._reply_deploy(code, text)
        if code:
            self._deployment, self._hash = None, ""

    def _reply_deploy(self, code: str, text: str) -> None:
        seq, contract = self._deploy_seq, self._hash
        self._answer(seq, m.Deployed(self.session, self.epoch, seq, contract, self.episode, code[:200], text[:1000]))

    def _on_peers(self, now: int, message: m.Peers, payload: bytes) -> None:
        self._current(now, message)
        if not self._repeated(message):
            self._node.peers(message.peers)
            self._answer(message.seq, m.Ack(self.session, self.epoch, message.seq))

    def _on_reset(self, now: int, message: m.Reset, payload: bytes) -> None:
        windows = self._current(now, message)
        if not self._repeated(message):
            self._node.reset(message.seed)
            self.episode = message.episode
            windows.reset(now)
            self._answer(message.seq, m.Ack(self.session, self.epoch, message.seq))

    def _on_start(self, now: int, message: m.Start, payload: bytes) -> None:
        windows = self._current(now, message)
        if not self._repeated(message):
            windows.start(message.window, now + message.in_ns)
            self._answer(message.seq, m.Started(self.session, self.epoch, message.seq, message.window))

    def _on_act(self, now: int, act: m.Act, payload: bytes) -> None:
        self._current(now, act).act(act, payload)

    def _on_ping(self, now: int, ping: m.Ping, payload: bytes) -> None:
        self._hear(now, ping)
        window, tick = -1, 0
        if self.windows is not None and ping.epoch == self.epoch:
            window, tick = self.windows.ping(now, ping)
        self._send(m.Pong(self.session, self.epoch, ping.t1_ns, now, now, window, tick))

    def _on_bye(self, now: int, message: m.Bye, payload: bytes) -> None:
        self._hear(now, message)
        if self.windows is not None:
            self.windows.fall()
        self._leave()
        self._greeting.begin(now, HELLO_MOST_NS)
