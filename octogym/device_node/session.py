"""A node's session: its half of the protocol on a socket, driven by whoever owns the loop."""

from __future__ import annotations

from typing import Callable, Optional

from octogym.bridge.protocol import Card, NodeHost, NodeMachine
from octogym.device_node.link import HostLink

#: Messages that are read before anything else is done.
_AT_ONCE = 64


class NodeSession:
    """One device's `NodeMachine` and the link to its host.

    The owner calls `service` when the link's socket has news, and at `deadline_ns()` at the latest.

    Args:
        node: what the device does.
        card: who it is; a new `boot` for each start of the process.
        connect: opens a link to the host.
        now_ns: this machine's monotonic clock.
    """

    def __init__(self, node: NodeHost, card: Card, connect: Callable[[], HostLink], now_ns: int) -> None:
        self.machine = NodeMachine(now_ns, node, card)
        self._connect = connect
        self.link: Optional[HostLink] = connect()

    def service(self, now_ns: int, news: bool = True) -> bool:
        """Read what has come (`news`: there may be something), do what is due, send what there is to say. Whether there
        is more to read already: the socket's descriptor may not tell of that again."""
        link, machine = self.link, self.machine
        more, left = link is not None and news and link.news, _AT_ONCE
        while link is not None and more and left:
            frames = link.receive()
            if frames is not None:
                machine.receive(now_ns, b"", frames)
            more, left = link.news, left - 1
        machine.tick(now_ns)
        out = machine.outbox()
        if link is None or not out:
            return more
        for _, frames in out:
            link.send(frames)
        return link.news

    def deadline_ns(self) -> int:
        """When `service` must be called at the latest."""
        return self.machine.deadline_ns()

    def cut(self) -> None:
        """Lose the link, as by a pulled cable: the machine goes on without it."""
        if self.link is not None:
            self.link.close()
            self.link = None

    def mend(self) -> None:
        """Connect again."""
        if self.link is None:
            self.link = self._connect()

    def close(self, now_ns: int, text: str = "") -> None:
        """Leave on purpose: the host raises no alarm."""
        self.machine.bye(now_ns, text)
        if self.link is not None:
            for _, frames in self.machine.outbox():
                self.link.send(frames)
            self.link.close(last_word=True)
            self.link = None
