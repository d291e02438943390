"""Weights between nodes and hosts: a thread with a ZeroMQ context of its own, so that they never delay control."""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Callable, Dict, Optional

from octogym.bridge.protocol.bell import Bell
from octogym.bridge.protocol.codec import MAX_MODEL
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.weights import NodeWeights
from octogym.device_node.link import HostLink, load_zmq

#: How often the thread looks whether what waits may go now.
_LOOK_MS = 10
_AT_ONCE = 4

Connect = Callable[[Any], HostLink]


def beside(address: str, port: int) -> str:
    """Where the host that is found at `address` takes weights."""
    if address.startswith("ipc://"):
        return f"tcp://127.0.0.1:{port}"
    return re.sub(r":\d+\Z", f":{port}", address)


def weights_link(address: str, port: int, pair: KeyPair, host: Optional[bytes]) -> Connect:
    """Opens the link for weights of a node whose host is found at `address`; the rest as `HostLink`."""
    return lambda context: HostLink(context, beside(address, port), pair, host, MAX_MODEL, bulky=True)


class WeightsCarrier:
    """Carries weights of any number of nodes, each over a link of its own. Methods may be called by any thread."""

    def __init__(self) -> None:
        zmq = load_zmq()
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._bell = Bell()
        self._links: Dict[str, HostLink] = {}
        self._weights: Dict[str, NodeWeights] = {}
        #: What the thread is to do: node -> (its half, how to connect), or None to leave.
        self._asked: Dict[str, Any] = {}
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="octogym-weights", daemon=True)
        self._thread.start()

    def join(self, node: str, weights: NodeWeights, connect: Connect) -> None:
        """Carry `weights` over a new link; a link that the node had is closed."""
        self._asked[node] = (weights, connect)
        self.wake()

    def leave(self, node: str) -> None:
        """Close the link of a node."""
        self._asked[node] = None
        self.wake()

    def wake(self) -> None:
        """There is something to send."""
        self._bell.ring()

    def close(self) -> None:
        """Close all links and end the thread."""
        if not self._stop:
            self._stop = True
            self.wake()
            self._thread.join()
            self._bell.close()
            self._context.term()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        zmq = load_zmq()
        self._poller.register(self._bell.descriptor, zmq.POLLIN)
        waits = False
        while not self._stop:
            for socket, _ in self._poller.poll(_LOOK_MS if waits else None):
                if socket == self._bell.descriptor:
                    self._bell.quiet()
            for node in list(self._asked):
                self._follow(node)
            waits = False
            for node, link in self._links.items():
                self._receive(link, self._weights[node])
                waits |= self._flush(link, self._weights[node])
        for node in list(self._links):
            self._drop(node)

    def _follow(self, node: str) -> None:
        asked = self._asked.pop(node)
        self._drop(node)
        if asked is not None:
            self._weights[node], connect = asked
            self._links[node] = connect(self._context)
            self._poller.register(self._links[node].socket, load_zmq().POLLIN)

    def _receive(self, link: HostLink, weights: NodeWeights) -> None:
        for _ in range(_AT_ONCE):
            frames = link.receive()
            if frames is None:
                return
            weights.receive(time.monotonic_ns(), b"", frames)

    def _flush(self, link: HostLink, weights: NodeWeights) -> bool:
        return weights.flush(time.monotonic_ns(), lambda key, frames: link.send(frames))

    def _drop(self, node: str) -> None:
        link = self._links.pop(node, None)
        self._weights.pop(node, None)
        if link is not None:
            self._poller.unregister(link.socket)
            link.close()
