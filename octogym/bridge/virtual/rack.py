"""A rack in one thread and no time: host and nodes over a transport with a virtual clock.

The state machines are the real ones. Everything around them is simulated: clocks that start anywhere, drift and jump,
messages that take time, get lost, doubled or overtaken, processes that freeze, die and come back. One seed is one
history, to the nanosecond. Times are int64 ns; "true" time is the world's, which no process can read.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from operator import attrgetter
from typing import Any

from octogym.bridge.protocol.clock import MS
from octogym.bridge.protocol.codec import Frames
from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.greeting import Card
from octogym.bridge.protocol.host import HostMachine
from octogym.bridge.protocol.messages import SPOKEN
from octogym.bridge.protocol.node import NodeMachine
from octogym.bridge.protocol.windows import NodeHost
from octogym.bridge.virtual.faults import SECOND
from octogym.bridge.virtual.owner import Owner
from octogym.bridge.virtual.processes import NEVER, Clock, Link, Node, broken

_due = attrgetter("due_ns")


class VirtualRack:
    """Host and nodes, from true time 0 on.

    Args:
        deployments: by device.
        make_device: called for each boot of each device with its id and the rack.
        make_owner: called for each start of the host with the new host, its clock and the deployments.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        deployments: Mapping[str, Deployment],
        make_device: Callable[[str, VirtualRack], NodeHost],
        make_owner: Callable[[HostMachine, int, Mapping[str, Deployment]], Owner],
        seed: int,
        period_ns: int = SECOND,
        grace_ns: int = 20 * MS,
    ) -> None:
        self.deployments, self.period_ns, self.grace_ns = dict(deployments), period_ns, grace_ns
        self.draw = random.Random(seed)
        self.now_ns = 0
        self._make_device, self._make_owner = make_device, make_owner
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._sessions = count(self.draw.randrange(1, 2**40))
        self.host: HostMachine | None = None
        self.owner: Owner | None = None
        self.host_clock = Clock(0, self.draw.randrange(2**40))
        self.host_waiting: deque[tuple[bytes, Frames]] = deque(maxlen=4096)
        self._host_held, self._host_due = 0, NEVER
        self.nodes: dict[str, Node] = {}
        self.links = {device: Link() for device in deployments}
        self.by_key: dict[bytes, Node] = {}
        for device in deployments:
            node = Node(device, b"key-of-" + device.encode(), Clock(0, self.draw.randrange(2**40)))
            self.nodes[device] = self.by_key[node.key] = node
            self.at(self.draw.randrange(SECOND // 2), self.boot, node)
        self.at(self.draw.randrange(SECOND // 2), self.start_host)

    # --- time --------------------------------------------------------------------------------------------------------

    def at(self, true_ns: int, call: Callable[..., None], *args: Any) -> None:
        """Call at `true_ns`."""
        heapq.heappush(self._events, (true_ns, next(self._order), call, args))

    def run(self, until_ns: int) -> None:
        """On to true time `until_ns`."""
        nodes = list(self.nodes.values())
        while True:
            node = min(nodes, key=_due)
            due = min(node.due_ns, self._host_due)
            if self._events and self._events[0][0] <= due:
                due = self._events[0][0]
                if due > until_ns:
                    break
                self.now_ns = max(self.now_ns, due)
                _, _, call, args = heapq.heappop(self._events)
                call(*args)
                continue
            if due > until_ns:
                break
            self.now_ns = max(self.now_ns, due)
            if due == self._host_due:
                self._wake_host()
            elif node.machine is not None:
                node.machine.tick(node.clock.read(self.now_ns))
                self._send_of(node)
        self.now_ns = until_ns

    def settle(self, node: Node) -> None:
        """Work out anew when a device's process wakes by itself."""
        runs = node.machine is not None and not node.held
        node.due_ns = node.clock.when(node.machine.deadline_ns()) if runs and node.machine is not None else NEVER

    def settle_host(self) -> None:
        """The same for the host."""
        self._host_due = NEVER
        if self.host is not None and self.owner is not None and not self._host_held:
            self._host_due = self.host_clock.when(min(self.host.deadline_ns(), self.owner.wake_ns))

    # --- processes ---------------------------------------------------------------------------------------------------

    @property
    def host_now_ns(self) -> int:
        """The host's clock."""
        return self.host_clock.read(self.now_ns)

    def start_host(self) -> None:
        now, roster = self.host_now_ns, {node.key: device for device, node in self.nodes.items()}
        self.host = HostMachine(now, next(self._sessions), self.period_ns, roster, self.grace_ns)
        self.owner = self._make_owner(self.host, now, self.deployments)
        self._send_of_host()

    def kill_host(self) -> None:
        self.host = self.owner = None
        self.settle_host()
        self.host_waiting.clear()
        for link in self.links.values():
            link.generation += 1

    def hold_host(self, by: int) -> None:
        """+1: the host's process stands still; -1: no more."""
        self._host_held += by
        self.settle_host()
        if not self._host_held:
            while self.host_waiting and self.host is not None:
                key, frames = self.host_waiting.popleft()
                self.host.receive(self.host_now_ns, key, frames)
            self._wake_host()

    def boot(self, node: Node, versions: Sequence[int] = SPOKEN) -> None:
        """Start a device's process, in place of the one before."""
        node.boots += 1
        node.waiting.clear()
        node.owner = self._make_device(node.device, self)
        card = Card(node.device, self.draw.randrange(1, 2**60))
        node.machine = NodeMachine(node.clock.read(self.now_ns), node.owner, card, versions)
        self.tell_link(node.device, True)
        self._send_of(node)

    def kill(self, node: Node) -> None:
        node.machine = node.owner = None
        self.settle(node)
        self.links[node.device].generation += 1
        self.at(self.now_ns + 2 * MS, self.tell_link, node.device, False)

    def hold(self, node: Node, by: int) -> None:
        """+1: a device's process stands still; -1: no more, and what has arrived meanwhile is read."""
        node.held += by
        self.settle(node)
        if not node.held and node.machine is not None:
            while node.waiting and node.machine is not None:
                node.machine.receive(node.clock.read(self.now_ns), b"", node.waiting.popleft())
            if node.machine is not None:
                node.machine.tick(node.clock.read(self.now_ns))
                self._send_of(node)

    def tell_link(self, device: str, up: bool) -> None:
        """The transport's word to the host."""
        if self.host is not None and not self._host_held:
            self.host.link(self.host_now_ns, self.nodes[device].key, up)
            self._send_of_host()

    # --- messages ----------------------------------------------------------------------------------------------------

    def _wake_host(self) -> None:
        if self.host is not None and self.owner is not None:
            now = self.host_now_ns
            self.host.tick(now)
            if now >= self.owner.wake_ns:
                self.owner.wake(self.host, now)
            self._send_of_host()

    def _send_of_host(self) -> None:
        if self.host is not None:
            for key, frames in self.host.outbox():
                node = self.by_key.get(key)
                if node is not None:
                    self._carry(self.links[node.device], False, frames, self._to_node, key)
        self.settle_host()

    def _send_of(self, node: Node) -> None:
        if node.machine is not None:
            for _, frames in node.machine.outbox():
                self._carry(self.links[node.device], True, frames, self.to_host, node.key)
        self.settle(node)

    def _carry(self, link: Link, up: bool, frames: Frames, arrive: Callable[..., None], key: bytes) -> None:
        """Put frames on a link, with its faults."""
        draw = self.draw
        if link.cut or (link.loss and draw.random() < link.loss):
            return
        if link.corrupt and draw.random() < link.corrupt:
            frames = broken(frames, draw)
        for _ in range(2 if link.duplicate and draw.random() < link.duplicate else 1):
            due = self.now_ns + draw.randint(MS // 10, 2 * MS)
            if link.delay_ns:
                due += draw.randrange(link.delay_ns)
            if link.reorder and draw.random() < link.reorder:
                due += draw.randrange(self.period_ns // 2)
            else:
                due = link.last_ns[up] = max(due, link.last_ns[up])
            self.at(due, self._arrive, link, link.generation, arrive, key, frames)

    def _arrive(self, link: Link, generation: int, arrive: Callable[..., None], key: bytes, frames: Frames) -> None:
        if generation == link.generation and not link.cut:
            arrive(key, frames)

    def _to_node(self, key: bytes, frames: Frames) -> None:
        node = self.by_key[key]
        if node.held:
            node.waiting.append(frames)
        elif node.machine is not None:
            node.machine.receive(node.clock.read(self.now_ns), b"", frames)
            self._send_of(node)

    def to_host(self, key: bytes, frames: Frames) -> None:
        """Frames of `key` arrive at the host."""
        if self._host_held:
            self.host_waiting.append((key, frames))
        elif self.host is not None:
            self.host.receive(self.host_now_ns, key, frames)
            self._send_of_host()
