"""Nodes of a simulated rack in one loop: a session each, with its own key, socket and boot."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Hashable, Mapping
from typing import Protocol

from octogym.bridge.protocol import Card, NodeHost, ObsRows
from octogym.bridge.protocol.codec import MAX_CONTROL
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.messages import Hardware
from octogym.cluster.topology import Device
from octogym.device_node.about import about
from octogym.device_node.link import HostLink, load_zmq
from octogym.device_node.session import NodeSession
from octogym.device_node.weights import Connect, WeightsCarrier, weights_link

_MS = 1_000_000
#: The loop looks up at least this often.
_AT_LEAST_MS = 50


class WorldNode(NodeHost, Protocol):
    """A device of a simulated world.

    `asked`: seed of a reset for which `begin` is due. `present`: it is there. `ahead`: what `snapshot` will return at
    the end of the window that runs, the same object, if it is known already.
    """

    asked: int | None

    @property
    def present(self) -> bool: ...

    def begin(self, episode: Hashable, seed: int) -> None: ...

    def ahead(self) -> ObsRows | None: ...


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
        self._carrier = WeightsCarrier()
        self._sessions: dict[str, NodeSession | None] = {}
        self._stuck: set[str] = set()
        self._away: set[str] = set()
        #: When each session is due, as of its last service.
        self._due: dict[str, int] = {}
        self._look_ns = 0
        # ZeroMQ's own poller asks every socket every time; their descriptors tell of changes only, so that who still
        # has something to read after it was served is kept in `_pending`.
        self._selector = selectors.DefaultSelector()
        self._watched: dict[str, selectors.SelectorKey] = {}
        self._pending: set[str] = set()
        #: Nodes whose next observation can be packed as soon as the world knows it; whether to try that now.
        self._unprepared: set[str] = set()
        self._preparing = False
        for device in devices:
            self._boot(device)

    def turn(self) -> None:
        """Wait for news or for what is due, and serve whom it concerns. Where nobody has anything, prepare."""
        ready, now = self._wait(), time.monotonic_ns()
        due = [device for device, due_ns in self._due.items() if due_ns <= now]
        for device in due:
            self._serve(device, device in ready)
        for device in ready.difference(due, self._stuck):
            self._serve(device, True)
        if not ready and not due and self._unprepared:
            self._prepare()
        if now >= self._look_ns:
            self._look_ns = now + _AT_LEAST_MS * _MS // 2
            self._follow()

    def session(self, device: str) -> NodeSession | None:
        """A device's session; None while its node is down."""
        return self._sessions[device]

    def close(self) -> None:
        """Every node says good-bye."""
        self._selector.close()
        for session in self._sessions.values():
            if session is not None:
                session.close(time.monotonic_ns(), "the simulated rack ends")
        self._sessions.clear()
        self._carrier.close()
        self._context.term()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _boot(self, device: str) -> None:
        kind = self._devices[device].type
        memory = round(kind.memory_mb * 1_000_000)
        hardware = Hardware(kind.name, kind.cores, kind.gpus, kind.lanes, memory)
        card = Card(device, secrets.randbits(62), hardware, about={"engine": "sim", **about()})

        address, pair, host = self._via.get(device, self._address), self._pairs[device], self._host

        def connect() -> HostLink:
            return HostLink(self._context, address, pair, host, MAX_CONTROL)

        def weights(port: int) -> Connect:
            return weights_link(address, port, pair, host)

        session = NodeSession(self._nodes[device], card, connect, time.monotonic_ns(), self._carrier, weights)
        self._sessions[device], self._due[device] = session, session.deadline_ns()
        self._watch(device)

    def _end(self, device: str, good_bye: bool = False) -> None:
        """The end of a node's process, as if it were killed or on purpose."""
        session, self._sessions[device] = self._sessions[device], None
        self._watch(device)
        if session is not None and good_bye:
            session.close(time.monotonic_ns(), "ends on purpose")
        elif session is not None:
            session.cut()

    def _cut(self, device: str) -> None:
        """Lose a node's link to the host."""
        session = self._sessions[device]
        if session is not None:
            self._forget(device)
            session.cut()

    def _mend(self, device: str) -> None:
        """Connect a node again."""
        session = self._sessions[device]
        if session is not None:
            session.mend()
            self._watch(device)

    def _hold(self, device: str, stuck: bool) -> None:
        """A node's interpreter hangs, or goes on."""
        (self._stuck.add if stuck else self._stuck.discard)(device)
        self._watch(device)

    def _watch(self, device: str) -> None:
        """Wait for news of a device and for what is due there, if its process runs."""
        self._forget(device)
        session = self._sessions[device]
        if session is None or device in self._stuck:
            self._due.pop(device, None)
            self._unprepared.discard(device)
            return
        self._due[device] = session.deadline_ns()
        if session.link is not None:
            descriptor = session.link.socket.getsockopt(load_zmq().FD)
            self._watched[device] = self._selector.register(descriptor, selectors.EVENT_READ, device)
            # The descriptor tells of what comes from now on.
            self._pending.add(device)

    def _forget(self, device: str) -> None:
        watched = self._watched.pop(device, None)
        self._pending.discard(device)
        if watched is not None:
            self._selector.unregister(watched.fileobj)

    def _wait(self) -> set[str]:
        """Devices that have news, as soon as there are some or something is due."""
        left_ns = min(self._due.values(), default=2**62) - time.monotonic_ns()
        if self._pending or (self._preparing and self._unprepared):
            left_ns = 0
        # The selector counts in milliseconds, and rounds up.
        left_ms = min(_AT_LEAST_MS, left_ns // _MS)
        found = self._selector.select((left_ms - 0.5) / 1e3 if left_ms > 0 else 0)
        if not found and 0 < left_ns < _MS:
            time.sleep(left_ns / 1e9)
        ready, self._pending = self._pending, set()
        ready.update(key.data for key, _ in found)
        return ready

    def _serve(self, device: str, news: bool) -> None:
        session, node = self._sessions[device], self._nodes[device]
        if session is None:
            return
        if session.service(time.monotonic_ns(), news):
            self._pending.add(device)
        self._due[device] = session.deadline_ns()
        if node.asked is not None:
            node.begin((session.machine.session, session.machine.episode), node.asked)
        windows = session.machine.windows
        if windows is not None and windows.preparable:
            self._unprepared.add(device)
            self._preparing = True

    def _prepare(self) -> None:
        """Pack what one of the nodes will say at the end of its window, if that is known by now."""
        device = next(iter(self._unprepared))
        session, rows = self._sessions[device], self._nodes[device].ahead()
        self._preparing = rows is not None
        if rows is not None:
            self._unprepared.discard(device)
            if session is not None and session.machine.windows is not None:
                session.machine.windows.prepare(rows)

    def _follow(self) -> None:
        """A device that the scenario takes away takes its link along."""
        for device in self._sessions:
            here = self._nodes[device].present
            if here == (device in self._away):
                (self._away.discard if here else self._away.add)(device)
                (self._mend if here else self._cut)(device)
