"""A node's session on a socket; runs on CPython 3.8, too."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("zmq")

import zmq
from zmq.utils import z85

from octogym.bridge.protocol import Card
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.device_node.link import HostLink
from octogym.device_node.session import NodeSession


def new_pair():
    public, secret = zmq.curve_keypair()
    return KeyPair(z85.decode(public), z85.decode(secret))


@pytest.fixture
def host():
    """A bound ROUTER with CURVE: (context, socket, address, keys)."""
    context, keys = zmq.Context(), new_pair()
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    yield context, socket, f"tcp://127.0.0.1:{port}", keys
    context.destroy(0)


def heard(socket, session, kind, seconds=5.0):
    """The routing id of the first message of this kind."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        session.service(time.monotonic_ns())
        if socket.poll(10):
            route, head = socket.recv_multipart()[:2]
            if kind in head:
                return route
    raise AssertionError(f"no {kind!r}")


def test_a_node_greets_its_host_again_after_its_link_was_cut(host):
    context, socket, address, keys = host
    mine = new_pair()

    def connect():
        return HostLink(context, address, mine, keys.public, 1000)

    session = NodeSession(None, Card("cam-1", boot=7), connect, time.monotonic_ns())
    first = heard(socket, session, b"hello")
    assert session.deadline_ns() < time.monotonic_ns() + 5_000_000_000
    session.cut()
    session.service(time.monotonic_ns())
    session.mend()
    session.mend()
    assert heard(socket, session, b"hello") != first
    session.close(time.monotonic_ns())


def test_a_link_without_a_host_takes_and_brings_nothing():
    context, mine, host = zmq.Context(), new_pair(), new_pair()
    link = HostLink(context, "tcp://127.0.0.1:1", mine, host.public, 1000)
    assert not link.send([b"anybody?"]) and link.receive() is None
    link.close()
    context.term()
