"""Nodes of a simulated rack in one loop: a session each, with its own key, socket and boot."""

from __future__ import annotations

import secrets
import time
from collections.abc import Hashable, Mapping
from typing import Any, Protocol

from octogym.bridge.protocol import Card, NodeHost
from octogym.bridge.protocol.codec import MAX_CONTROL
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.messages import Hardware
from octogym.cluster.topology import Device
from octogym.device_node.about import about
from octogym.device_node.link import HostLink, load_zmq
from octogym.device_node.session import NodeSession

_MS = 1_000_000
#: The loop looks up at least this often.
_AT_LEAST_MS = 50
#: ZeroMQ's flag as a plain number.
_POLLIN = 1


class WorldNode(NodeHost, Protocol):
    """A device of a simulated world. `asked`: seed of a reset for which `begin` is due; `present`: it is there."""

    asked: int | None

    @property
    def present(self) -> bool: ...

    def begin(self, episode: Hashable, seed: int) -> None: ...


class NodeLoop:
    """Runs the sessions of some devices.

    Args:
        devices: of the scenario.
        nodes: by device id, what answers for it.
        address: of the host.
        host: the host's public key; None for plain sockets, on this machine only.
        pairs: by device id, its own keys.
        via: by device id, another address that leads to the host, for example a proxy's.
    """

    def __init__(
        self,
        devices: Mapping[str, Device],
        nodes: Mapping[str, WorldNode],
        address: str,
        host: bytes | None,
        pairs: Mapping[str, KeyPair],
        via: Mapping[str, str] | None = None,
    ) -> None:
        self._devices, self._nodes, self._via = devices, nodes, dict(via or {})
        self._address, self._host, self._pairs = address, host, dict(pairs)
        self._context = load_zmq().Context()
        self._sessions: dict[str, NodeSession | None] = {}
        self._stuck: set[str] = set()
        self._away: set[str] = set()
        #: When each session is due, as of its last service.
        self._due: dict[str, int] = {}
        self._look_ns = 0
        #: Who waits for news on which socket, as the poller has it.
        self._poller, self._watched = load_zmq().Poller(), dict[Any, str]()
        for device in devices:
            self._boot(device)

    def turn(self) -> None:
        """Wait for news or for what is due, then serve everybody."""
        ready, now = self._wait(), time.monotonic_ns()
        for device, session in self._sessions.items():
            if session is None or device in self._stuck:
                continue
            if device in ready or self._due[device] <= now:
                self._serve(device, session)
        if now >= self._look_ns:
            self._look_ns = now + _AT_LEAST_MS * _MS // 2
            self._follow()

    def close(self) -> None:
        """Every node says good-bye."""
        for session in self._sessions.values():
            if session is not None:
                session.close(time.monotonic_ns(), "the simulated rack ends")
        self._sessions.clear()
        self._context.term()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _boot(self, device: str) -> None:
        kind = self._devices[device].type
        memory = round(kind.memory_mb * 1_000_000)
        hardware = Hardware(kind.name, kind.cores, kind.gpus, kind.lanes, memory)
        card = Card(device, secrets.randbits(62), hardware, about={"engine": "sim", **about()})

        def connect() -> HostLink:
            address = self._via.get(device, self._address)
            return HostLink(self._context, address, self._pairs[device], self._host, MAX_CONTROL)

        session = NodeSession(self._nodes[device], card, connect, time.monotonic_ns())
        self._sessions[device], self._due[device] = session, session.deadline_ns()

    def _end(self, device: str, good_bye: bool = False) -> None:
        """The end of a node's process, as if it were killed or on purpose."""
        session = self._sessions[device]
        if session is not None and good_bye:
            session.close(time.monotonic_ns(), "ends on purpose")
        elif session is not None:
            session.cut()
        self._sessions[device] = None

    def _wait(self) -> set[str]:
        """Devices that have news, as soon as there are some or something is due."""
        due, sockets = time.monotonic_ns() + _AT_LEAST_MS * _MS, {}
        for device, session in self._sessions.items():
            if session is not None and device not in self._stuck:
                due = min(due, self._due[device])
                if session.link is not None:
                    sockets[session.link.socket] = device
        if sockets != self._watched:
            for socket in self._watched.keys() - sockets.keys():
                self._poller.unregister(socket)
            for socket in sockets.keys() - self._watched.keys():
                self._poller.register(socket, _POLLIN)
            self._watched = sockets
        left_ns = due - time.monotonic_ns()
        if 0 < left_ns < _MS:
            time.sleep(left_ns / 1e9)  # the poller counts in milliseconds
        return {self._watched[socket] for socket, _ in self._poller.poll(max(0, left_ns // _MS))}

    def _serve(self, device: str, session: NodeSession) -> None:
        node = self._nodes[device]
        session.service(time.monotonic_ns())
        self._due[device] = session.deadline_ns()
        if node.asked is not None:
            node.begin((session.machine.session, session.machine.episode), node.asked)

    def _follow(self) -> None:
        """A device that the scenario takes away takes its link along."""
        for device, session in self._sessions.items():
            here = self._nodes[device].present
            if here == (device in self._away):
                (self._away.discard if here else self._away.add)(device)
                if session is not None:
                    session.mend() if here else session.cut()
