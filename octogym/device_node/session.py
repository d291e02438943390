"""A node's session: its half of the protocol on a socket, driven by whoever owns the loop."""

from __future__ import annotations

from typing import Callable, List, Optional

from octogym.bridge.protocol import Card, NodeHost, NodeMachine, Weights
from octogym.device_node.link import HostLink
from octogym.device_node.weights import Connect, WeightsCarrier

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
        carrier: carries weights; several sessions may share it. None: there are none.
        weights: by the host's port for weights, how to connect there (`weights_link`).
    """

    def __init__(
        self,
        node: NodeHost,
        card: Card,
        connect: Callable[[], HostLink],
        now_ns: int,
        carrier: Optional[WeightsCarrier] = None,
        weights: Optional[Callable[[int], Connect]] = None,
    ) -> None:
        self.machine = NodeMachine(now_ns, node, card)
        self._connect = connect
        self._device, self._carrier, self._weights, self._port = card.device, carrier, weights, 0
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
        if machine.model_port != self._port and link is not None:
            self._carry(machine.model_port)
        out = machine.outbox()
        if link is None or not out:
            return more
        for _, frames in out:
            link.send(frames)
        return link.news

    def send_weights(self, weights: Weights) -> bool:
        """To the host; returns at once. False where there is no session to send in, or too much waits.

        Raises:
            ProtocolError: more than 16 MiB, or arrays of another dtype.
        """
        done = self.machine.weights.send(weights)
        if self._carrier is not None:
            self._carrier.wake()
        return done

    def fetch_weights(self) -> List[Weights]:
        """What the host has sent since the last call, of each kind and instance the latest."""
        return self.machine.weights.fetch()

    def deadline_ns(self) -> int:
        """When `service` must be called at the latest."""
        return self.machine.deadline_ns()

    def cut(self) -> None:
        """Lose the link, as by a pulled cable: the machine goes on without it."""
        if self.link is not None:
            self.link.close()
            self.link = None
        self._carry(0)

    def mend(self) -> None:
        """Connect again."""
        if self.link is None:
            self.link = self._connect()
            self._carry(self.machine.model_port)

    def close(self, now_ns: int, text: str = "") -> None:
        """Leave on purpose: the host raises no alarm."""
        self.machine.bye(now_ns, text)
        if self.link is not None:
            for _, frames in self.machine.outbox():
                self.link.send(frames)
            self.link.close(last_word=True)
            self.link = None
        self._carry(0)

    def _carry(self, port: int) -> None:
        """Have weights carried to this port of the host; 0: no more."""
        if self._carrier is None or self._weights is None or port == self._port:
            return
        self._port = port
        if port:
            self._carrier.join(self._device, self.machine.weights, self._weights(port))
        else:
            self._carrier.leave(self._device)
