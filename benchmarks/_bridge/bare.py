"""Bare pyzmq: a ROUTER here, DEALERs in another process, under CURVE: a lock-step bridge without checks."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import zmq

#: Time for all peers to connect, and for one exchange.
_PATIENCE_S = 30.0


class BareExchange:
    """Sends one message to each of `peers` and waits for the answers of all.

    Args:
        peers: how many DEALERs, all in one process, as a simulated rack's nodes are.
        request: sizes of the frames that go there, in bytes.
        answer: of those that come back.
    """

    def __init__(self, peers: int, request: Sequence[int], answer: Sequence[int]) -> None:
        self._count, self._request = peers, [bytes(size) for size in request]
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger, self._socket.rcvtimeo = 0, round(_PATIENCE_S * 1000)
        public, secret = zmq.curve_keypair()
        self._socket.curve_server = True
        self._socket.curve_publickey, self._socket.curve_secretkey = public, secret
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        arguments = (peers, f"tcp://127.0.0.1:{port}", public, [bytes(size) for size in answer])
        spawn = multiprocessing.get_context("spawn")
        self._process: Any = spawn.Process(target=_serve, args=arguments, daemon=True)
        self._routes: list[bytes] = []

    def exchange(self) -> int:
        """Nanoseconds from the first send to the last answer."""
        begin = time.monotonic_ns()
        for route in self._routes:
            self._socket.send_multipart([route, *self._request])
        for _ in self._routes:
            self._socket.recv_multipart()
        return time.monotonic_ns() - begin

    def __enter__(self) -> BareExchange:
        self._process.start()
        for _ in range(self._count):
            self._routes.append(self._socket.recv_multipart()[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()
        self._socket.close()
        self._context.term()


def _serve(peers: int, address: str, server: bytes, answer: list[bytes]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context, poller = zmq.Context(), zmq.Poller()
    for _ in range(peers):
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.curve_serverkey = server
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.connect(address)
        socket.send(b"here")
        poller.register(socket, zmq.POLLIN)
    while True:
        for socket, _ in poller.poll():
            socket.recv_multipart()
            socket.send_multipart(answer)
