"""Arrays of an instance (an agent's parameters) on a socket of their own, so that they never delay control."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import Collection, Deque, Dict, FrozenSet, List, Mapping, Sequence, Tuple

import numpy as np

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.codec import MAX_MODEL, Frames, encode, reader
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.limits import Gate, Rates
from octogym.bridge.protocol.record import Record
from octogym.bridge.protocol.tables import pack, unpack

#: What weights are sent for: a client's upload of a federated round, the reply to it, a policy to run.
KINDS = ("upload", "reply", "policy")
#: How much a key may send: two of the largest messages at once, one in eight seconds for ever.
WEIGHT_RATES = Rates(messages=20, message_burst=200, bytes=2 << 20, byte_burst=2 * MAX_MODEL)
#: Messages kept for an owner that does not send; the oldest go first.
MAX_WAITING = 64


@dataclass(frozen=True)
class Weights:
    """Named arrays of instance `instance`; floats among them are finite. `round` counts the rounds of a federation."""

    kind: str
    instance: str
    round: int
    arrays: Mapping[str, np.ndarray]


def encode_weights(session: int, weights: Weights) -> Frames:
    """The frames of `weights`.

    Raises:
        ProtocolError: more than 16 MiB (rule "size"), or an array of another dtype (rule "table").
    """
    tables, payload = pack(weights.arrays)
    digest = hashlib.sha256(payload).hexdigest()
    return encode(m.Model(session, weights.kind, weights.instance, weights.round, digest, tables), payload)


def decode_weights(frames: Sequence[bytes], session: int, instances: Collection[str]) -> Weights:
    """The weights in `frames`, of one of `instances`; arrays are read-only views.

    Raises:
        ProtocolError: anything else.
    """
    message, payload = reader((m.Model,), MAX_MODEL).read(frames)
    if not session or message.session != session:
        raise ProtocolError("session", f"session {message.session}; ours is {session}")
    if message.kind not in KINDS or message.instance not in instances:
        what = f"{message.kind[:40]!r} of {message.instance[:80]!r}"
        raise ProtocolError("field", f"weights for {what}; allowed: {', '.join(KINDS)} of a deployed instance")
    digest = hashlib.sha256(payload).hexdigest()
    if digest != message.sha256:
        raise ProtocolError("hash", f"weights have SHA-256 {digest}; the message says {message.sha256}")
    return Weights(message.kind, message.instance, message.round, unpack(message.tables, payload))


class HostWeights:
    """The host's half. Fetch what arrived before the same device sends the same kind for the same instance again."""

    def __init__(self, session: int, keys: Mapping[bytes, Record]) -> None:
        self._session, self._keys = session, keys
        self._gates: Dict[bytes, Gate] = {}
        self._found: Dict[Tuple[str, str, str], Weights] = {}
        self._out: Deque[Tuple[bytes, Frames]] = deque(maxlen=MAX_WAITING)
        #: Refusals by rule.
        self.refused: Dict[str, int] = {}

    def receive(self, now_ns: int, peer_key: bytes, frames: Sequence[bytes]) -> None:
        """Frames from whoever holds `peer_key`, which the transport has checked."""
        try:
            record = self._keys.get(peer_key)
            if record is None:
                self._gates.pop(peer_key, None)
                raise ProtocolError("stranger", "no such key in the roster")
            gate = self._gates.setdefault(peer_key, Gate(WEIGHT_RATES))
            if not gate.passes(now_ns, sum(map(len, frames))):
                raise ProtocolError("rate", f"device {record.device} sends more than a key may")
            weights = decode_weights(frames, self._session, record.instances)
            self._found[record.device, weights.kind, weights.instance] = weights
        except ProtocolError as error:
            self.refused[error.rule] = self.refused.get(error.rule, 0) + 1

    def fetch(self) -> List[Tuple[str, Weights]]:
        """What arrived since the last call, as (device, weights)."""
        found = [(device, weights) for (device, _, _), weights in self._found.items()]
        self._found.clear()
        return found

    def send(self, device: str, weights: Weights) -> None:
        """To `device`. They may get lost: whoever needs an answer asks again.

        Raises:
            ProtocolError: see `encode_weights`.
            KeyError: no such device in the roster.
        """
        key = next((key for key, record in self._keys.items() if record.device == device), None)
        if key is None:
            raise KeyError(device)
        self._out.append((key, encode_weights(self._session, weights)))

    def outbox(self) -> List[Tuple[bytes, Frames]]:
        """What is to be sent, as (key, frames), oldest first; and forgets it."""
        found = [(key, frames) for key, frames in self._out if key in self._keys]
        self._out.clear()
        return found


class NodeWeights:
    """A node's half. `session` and `instances` are the control machine's, which sets them."""

    def __init__(self) -> None:
        self.session = 0
        self.instances: FrozenSet[str] = frozenset()
        self._gate = Gate(WEIGHT_RATES)
        self._found: Dict[Tuple[str, str], Weights] = {}
        self._out: Deque[Frames] = deque(maxlen=MAX_WAITING)
        #: Refusals by rule.
        self.refused: Dict[str, int] = {}

    def receive(self, now_ns: int, peer_key: bytes, frames: Sequence[bytes]) -> None:
        """Frames from the host, whose key the transport has checked."""
        try:
            if not self._gate.passes(now_ns, sum(map(len, frames))):
                raise ProtocolError("rate", "more than the host may send")
            weights = decode_weights(frames, self.session, self.instances)
            self._found[weights.kind, weights.instance] = weights
        except ProtocolError as error:
            self.refused[error.rule] = self.refused.get(error.rule, 0) + 1

    def fetch(self) -> List[Weights]:
        """What arrived since the last call."""
        found = list(self._found.values())
        self._found.clear()
        return found

    def send(self, weights: Weights) -> bool:
        """To the host; False where there is no session to send in."""
        if self.session:
            self._out.append(encode_weights(self.session, weights))
        return bool(self.session)

    def outbox(self) -> List[Tuple[bytes, Frames]]:
        """What is to be sent, oldest first, and forgets it. The key is empty: there is one host."""
        found = [(b"", frames) for frames in self._out]
        self._out.clear()
        return found
