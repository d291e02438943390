"""A node's sockets to its host."""

from __future__ import annotations

from typing import Any, List, Optional

from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.transport import UNREAD, make_bulky
from octogym.cluster.errors import MissingExtra

#: Messages that wait for a host that does not read them. What is older is of no use to it.
WAITING = 16
#: How long the last word (Bye) may take when the node leaves.
LINGER_MS = 200
#: ZeroMQ's flags and options as plain numbers: pyzmq's enumerations cost more than the calls.
_NOBLOCK, _MORE, _EVENTS, _POLLIN = 1, 2, 15, 1


def load_zmq() -> Any:
    """The module `zmq`; MissingExtra where pyzmq is not installed."""
    try:
        import zmq
    except ModuleNotFoundError:
        raise MissingExtra("node", "pyzmq") from None
    return zmq


class HostLink:
    """A DEALER that finds its host by address and knows it by its key; connects again by itself.

    Args:
        context: a `zmq.Context`.
        address: the host's, tcp://HOST:PORT.
        pair: the node's own keys.
        host: the host's public key; None for a plain socket, on this machine only.
        max_bytes: largest frame that is read.
        bulky: few messages, of many MiB (`make_bulky`). An empty message says to the host who is there.
    """

    def __init__(
        self,
        context: Any,
        address: str,
        pair: KeyPair,
        host: Optional[bytes],
        max_bytes: int,
        bulky: bool = False,
    ) -> None:
        self._zmq = zmq = load_zmq()
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.maxmsgsize = max_bytes
        # Nothing waits for a connection that is not there: what is said is for now.
        self.socket.immediate = True
        self.socket.ipv6 = "[" in address
        if bulky:
            make_bulky(self.socket)
            self.socket.probe_router = True
        else:
            # No heartbeat of its own: the host's says for how long its silence may last, and halves the traffic.
            self.socket.sndhwm, self.socket.rcvhwm = WAITING, UNREAD
        self.socket.reconnect_ivl, self.socket.reconnect_ivl_max = 100, 1000
        if host is None:
            self.socket.routing_id = b"k" + pair.public
        else:
            self.socket.curve_serverkey = host
            self.socket.curve_publickey, self.socket.curve_secretkey = pair.public, pair.secret
        self.socket.connect(address)

    @property
    def news(self) -> bool:
        """Whether there is a message to read."""
        return bool(self.socket.getsockopt(_EVENTS) & _POLLIN)

    def receive(self) -> Optional[List[bytes]]:
        """The next message; None if there is none."""
        try:
            frame = self.socket.recv(_NOBLOCK, copy=False)
            frames = [frame.bytes]
            while frame.more:
                frame = self.socket.recv(_NOBLOCK, copy=False)
                frames.append(frame.bytes)
        except self._zmq.Again:
            return None
        return frames

    def send(self, frames: List[bytes]) -> bool:
        """Hand a message to the connection; False if there is none, or it takes nothing more."""
        try:
            # A DEALER takes or refuses the whole message with its first frame.
            for frame in frames[:-1]:
                self.socket.send(frame, _NOBLOCK | _MORE)
            self.socket.send(frames[-1], _NOBLOCK)
        except self._zmq.Again:
            return False
        return True

    def close(self, last_word: bool = False) -> None:
        """Close the socket; what is on its way gets a moment if it is a last word."""
        self.socket.close(LINGER_MS if last_word else 0)
