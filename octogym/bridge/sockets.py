"""The host's sockets: a ROUTER whose peers are known by their keys, and who may connect."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from octogym.bridge.addresses import check_listen
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.transport import UNREAD, make_bulky
from octogym.bridge.zeromq import load_zmq
from octogym.cluster.errors import OctoGymError

_ZAP, _DOMAIN = "inproc://zeromq.zap.01", "octogym"
#: News of `HostSockets.wait`: somebody wants to connect; a connection has ended.
DOOR, LOST = "door", "lost"
#: Silence after which the transport gives a connection up: a frozen process is noticed within half a second. Every
#: heartbeat tells the node how long the host may be silent; nodes have none of their own.
HEARTBEAT_MS, GIVE_UP_MS, NODE_GIVES_UP_MS = 100, 350, 400
#: Messages that wait for a peer. What is older is of no use to it.
WAITING = 64
#: Admissions of one key in `_SPAN_NS`, so that one device cannot spend the host's time on handshakes.
_HANDSHAKES, _SPAN_NS = 20, 10_000_000_000
#: A plain socket's routing id is this letter and the peer's key; nothing proves that it is the peer's.
_PLAIN = b"k"
#: ZeroMQ's flags as plain numbers: pyzmq's enumerations cost more than the calls.
_NOBLOCK, _MORE = 1, 2


class Admits(Protocol):
    """Who may connect: `octogym.bridge.keys.Admission`, or a fixed set."""

    def __contains__(self, public: bytes) -> bool: ...


@dataclass
class Door:
    """Counts of what was turned away at the sockets."""

    strangers: int = 0
    hurried: int = 0
    unnamed: int = 0
    revoked: int = 0
    unreachable: int = 0


@dataclass
class HostSockets:
    """One ROUTER per channel (control, models) behind one decision who may connect. Used by one thread.

    Args:
        pair: the host's key pair; None for plain sockets, on this machine only.
        admits: the public keys that may connect.
        limits: channel -> largest frame in bytes. Larger ones end the connection before they are read.
        bulky: few messages, of many MiB (`make_bulky`).
    """

    pair: KeyPair | None
    admits: Admits
    limits: dict[str, int]
    door: Door = field(default_factory=Door)
    bulky: bool = False

    def __post_init__(self) -> None:
        self._zmq = load_zmq()
        self._context = self._zmq.Context()
        self._zap: Any = None
        self._sockets: dict[str, Any] = {}
        self._routes: dict[str, dict[bytes, bytes]] = {channel: {} for channel in self.limits}
        self._recent: dict[bytes, deque[int]] = {}
        self._monitors: list[tuple[str, Any]] = []
        # Connection (its file descriptor here) -> key.
        self._holders: dict[str, dict[int, bytes]] = {channel: {} for channel in self.limits}
        # Routing id -> key. ZeroMQ gives every connection an id that no other has had.
        self._known: dict[str, dict[bytes, bytes]] = {channel: {} for channel in self.limits}
        self._poller = self._zmq.Poller()
        # What has news -> its name in `wait`.
        self._names: dict[Any, Any] = {}

    def listen(self, channel: str, address: str, key: str = "listen") -> str:
        """Bind a channel; returns the address with the port that it got. `key`: where the roster has the address.

        Raises:
            AddressError: an address beyond this machine without CURVE.
            OctoGymError: the address is taken, or is not of this machine.
        """
        check_listen(address, self.pair is not None)
        zmq = self._zmq
        if self._zap is None:
            self._open_zap()
        socket = self._context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.maxmsgsize = self.limits[channel]
        socket.router_mandatory = True
        socket.ipv6 = "[" in address
        if self.bulky:
            make_bulky(socket)
        else:
            socket.sndhwm, socket.rcvhwm = WAITING, UNREAD
            socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, GIVE_UP_MS
            socket.heartbeat_ttl = NODE_GIVES_UP_MS
        socket.handshake_ivl = 2000
        # Without the second line a missing answer would admit everybody.
        socket.zap_domain = _DOMAIN.encode()
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        if self.pair is not None:
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = self.pair.public, self.pair.secret
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            socket.disable_monitor()
            monitor.close(0)
            socket.close()
            raise OctoGymError(
                f"{key} = {address!r}: {error.strerror}; expected a free address of this machine"
            ) from None
        self._sockets[channel] = socket
        self._monitors.append((channel, monitor))
        self.watch(socket, channel)
        self.watch(monitor, LOST)
        return str(socket.last_endpoint.decode().rstrip("\0"))

    def watch(self, source: Any, name: str) -> None:
        """Let `wait` return `name` too when a socket, or a file descriptor, has something to read."""
        self._names[source] = name
        self._poller.register(source, self._zmq.POLLIN)

    def wait(self, milliseconds: int) -> set[str]:
        """What has news by then, as soon as there is some: channels with messages, `DOOR`, `LOST`, what `watch` named.
        Only for those the calls below have anything to do."""
        return {self._names[source] for source, _ in self._poller.poll(milliseconds)}

    def answer_door(self, now_ns: int) -> None:
        """Decide about all who want to connect now."""
        zmq = self._zmq
        while self._zap is not None:
            try:
                request = self._zap.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            status, user = self._decide(request, now_ns)
            text = b"" if status == b"200" else b"not admitted"
            self._zap.send_multipart([b"1.0", request[1], status, text, user, b""])

    def receive(self, channel: str) -> tuple[bytes, list[bytes]] | None:
        """The next message from an admitted peer and the peer's key; None if there is none."""
        socket, known = self._sockets[channel], self._known[channel]
        while True:
            try:
                route = socket.recv(_NOBLOCK)
            except self._zmq.Again:
                return None
            # A ROUTER hands on whole messages, its own frame and at least another, which knows who has sent it.
            frame = socket.recv(_NOBLOCK, copy=False)
            frames = [frame.bytes]
            while frame.more:
                frame = socket.recv(_NOBLOCK, copy=False)
                frames.append(frame.bytes)
            key = known.get(route)
            if key is None:
                key = self._meet(channel, route, frame)
            if key is None:
                self.door.unnamed += 1
            elif key not in self.admits:
                self.door.revoked += 1
            else:
                self._routes[channel][key] = route
                return key, frames

    def send(self, channel: str, key: bytes, frames: list[bytes]) -> bool:
        """Hand a message to a peer's connection; False if it has none, or one that takes nothing more."""
        zmq, socket = self._zmq, self._sockets[channel]
        route = self._routes[channel].get(key)
        if route is None or key not in self.admits:
            return False
        try:
            # A ROUTER takes or refuses the whole message with its first frame.
            socket.send(route, _NOBLOCK | _MORE)
            for frame in frames[:-1]:
                socket.send(frame, _NOBLOCK | _MORE)
            socket.send(frames[-1], _NOBLOCK)
        except zmq.Again:
            self.door.unreachable += 1
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.door.unreachable += 1
            del self._routes[channel][key]
            return False
        return True

    def lost(self) -> list[tuple[str, bytes]]:
        """Channel and key of each connection that has ended since the last call."""
        zmq, found = self._zmq, []
        for channel, monitor in self._monitors:
            while True:
                try:
                    event = monitor.recv_multipart(zmq.NOBLOCK)[0]
                except zmq.Again:
                    break
                key = self._holders[channel].pop(int.from_bytes(event[2:6], sys.byteorder, signed=True), None)
                # A device that has connected again since holds another descriptor.
                if key is not None and key not in self._holders[channel].values():
                    self._routes[channel].pop(key, None)
                    found.append((channel, key))
        return found

    def forget(self, key: bytes) -> None:
        """Nothing more goes to this peer, until it is heard of again."""
        for routes in self._routes.values():
            routes.pop(key, None)

    def connected(self, channel: str, key: bytes) -> bool:
        """Whether a peer has been heard on a channel and not been found gone since."""
        return key in self._routes[channel]

    def close(self) -> None:
        for socket in self._sockets.values():
            socket.disable_monitor()
            socket.close()
        for _, monitor in self._monitors:
            monitor.close(0)
        self._monitors.clear()
        self._sockets.clear()
        if self._zap is not None:
            self._zap.close()
            self._zap = None
        self._context.term()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _open_zap(self) -> None:
        self._zap = self._context.socket(self._zmq.REP)
        self._zap.linger = 0
        self._zap.bind(_ZAP)
        self.watch(self._zap, DOOR)

    def _decide(self, request: list[bytes], now_ns: int) -> tuple[bytes, bytes]:
        """Status and user id, for a request of ZeroMQ's authentication protocol (RFC 27)."""
        mechanism = request[5] if len(request) > 5 else b""
        if self.pair is None:
            # Plain sockets, on this machine only: who is who is what they say.
            return (b"200", b"") if mechanism == b"NULL" else (b"400", b"")
        if mechanism != b"CURVE" or len(request) != 7 or request[6] not in self.admits:
            self.door.strangers += 1
            return b"400", b""
        key = request[6]
        recent = self._recent.setdefault(key, deque(maxlen=_HANDSHAKES))
        if len(recent) == _HANDSHAKES and now_ns - recent[0] < _SPAN_NS:
            self.door.hurried += 1
            return b"300", b""
        recent.append(now_ns)
        return b"200", key.hex().encode()

    def _meet(self, channel: str, route: bytes, frame: Any) -> bytes | None:
        """The key behind a connection that says its first word; None if it has none."""
        key = self._key_of(route, frame)
        if key is not None:
            self._known[channel] = {r: k for r, k in self._known[channel].items() if k != key}
            self._known[channel][route] = key
            self._holders[channel][frame.get(self._zmq.SRCFD)] = key
        return key

    def _key_of(self, route: bytes, frame: Any) -> bytes | None:
        if self.pair is None:
            return route[1:] if route[:1] == _PLAIN and len(route) == 33 else None
        # Routing ids that nodes choose themselves could displace each other; those of the socket begin with 0.
        if route[:1] != b"\0":
            return None
        try:
            return bytes.fromhex(frame.get("User-Id"))
        except (self._zmq.ZMQError, ValueError):
            return None
