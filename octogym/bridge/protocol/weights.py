"""Arrays of an instance (an agent's parameters) on a socket of their own, so that they never delay control.

Both halves are used by two threads: one runs the socket (`receive`, `flush`), another one sends and fetches. What they
share is deques and dicts whose single operations are atomic; nobody waits for the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Callable, Collection, Dict, FrozenSet, List, Mapping, Sequence, Tuple

import numpy as np

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.codec import MAX_MODEL, Frames, encode, reader
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.limits import Gate
from octogym.bridge.protocol.outgoing import WEIGHT_RATES, Outgoing
from octogym.bridge.protocol.record import Record
from octogym.bridge.protocol.tables import pack, unpack

#: What weights are sent for: a client's upload of a federated round, the reply to it, a policy to run.
KINDS = ("upload", "reply", "policy")
#: Bytes of one device that wait to be fetched; the oldest weights go first.
MAX_KEPT = 4 * MAX_MODEL


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
        ProtocolError: another kind (rule "field"), more than 16 MiB ("size"), or an array of another dtype ("table").
    """
    if weights.kind not in KINDS:
        raise ProtocolError("field", f"weights of kind {weights.kind!r}; allowed: {', '.join(KINDS)}")
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
        self.outgoing = Outgoing()
        #: Refusals by rule.
        self.refused: Dict[str, int] = {}

    def receive(self, now_ns: int, peer_key: bytes, frames: Sequence[bytes]) -> None:
        """Frames from whoever holds `peer_key`, which the transport has checked. One empty frame alone is how a node's
        socket says that it is there."""
        try:
            record = self._keys.get(peer_key)
            if record is None:
                self._gates.pop(peer_key, None)
                raise ProtocolError("stranger", "no such key in the roster")
            gate = self._gates.setdefault(peer_key, Gate(WEIGHT_RATES))
            if not gate.passes(now_ns, sum(map(len, frames))):
                raise ProtocolError("rate", f"device {record.device} sends more than a key may")
            if list(frames) == [b""]:
                return
            weights = decode_weights(frames, self._session, record.instances)
            self._keep(record.device, weights)
        except ProtocolError as error:
            self.refused[error.rule] = self.refused.get(error.rule, 0) + 1

    def _keep(self, device: str, weights: Weights) -> None:
        self._found.pop((device, weights.kind, weights.instance), None)
        left = MAX_KEPT - _size(weights)
        for place, other in reversed(list(self._found.items())):
            if place[0] == device:
                left -= _size(other)
                if left < 0:
                    self._found.pop(place, None)
        self._found[device, weights.kind, weights.instance] = weights

    def fetch(self) -> List[Tuple[str, Weights]]:
        """What arrived since the last call, as (device, weights)."""
        found = [(place[0], self._found.pop(place, None)) for place in list(self._found)]
        return [(device, weights) for device, weights in found if weights is not None]

    def send(self, weights: Weights) -> bool:
        """To the device that runs the instance; False if too much waits. They may get lost: whoever needs an answer
        asks again.

        Raises:
            ProtocolError: see `encode_weights`.
            ValueError: no device with a key runs this instance.
        """
        key = next((key for key, record in list(self._keys.items()) if weights.instance in record.instances), None)
        if key is None:
            raise ValueError(f"instance {weights.instance!r}; allowed: one of a device whose key is in the roster")
        return self.outgoing.put(key, encode_weights(self._session, weights))

    def flush(self, now_ns: int, hand_over: Callable[[bytes, Frames], bool]) -> bool:
        """Hand over what may be sent now (`Outgoing.flush`). Returns whether something still waits."""
        return self.outgoing.flush(now_ns, hand_over, self._keys.__contains__)


class NodeWeights:
    """A node's half. `session` and `instances` are the control machine's, which sets them."""

    def __init__(self) -> None:
        self.session = 0
        self.instances: FrozenSet[str] = frozenset()
        self._gate = Gate(WEIGHT_RATES)
        self._found: Dict[Tuple[str, str], Weights] = {}
        self.outgoing = Outgoing()
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
        return [self._found.pop(place) for place in list(self._found)]

    def send(self, weights: Weights) -> bool:
        """To the host; False where there is no session to send in, or too much waits.

        Raises:
            ProtocolError: see `encode_weights`.
        """
        session = self.session
        return bool(session) and self.outgoing.put(b"", encode_weights(session, weights))

    def flush(self, now_ns: int, hand_over: Callable[[bytes, Frames], bool]) -> bool:
        """Hand over what may be sent now (`Outgoing.flush`; the key is empty: there is one host). Returns whether
        something still waits."""
        return self.outgoing.flush(now_ns, hand_over, lambda key: True)


def _size(weights: Weights) -> int:
    return sum(array.nbytes for array in weights.arrays.values())
