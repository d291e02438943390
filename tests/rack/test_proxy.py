"""The proxy that spoils connections."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from octogym.rack.proxy import Proxy


@contextmanager
def echo():
    """A server that sends back what it gets; gives its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection):
        with connection, suppress(OSError):
            while data := connection.recv(4096):
                connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def connect(proxy, timeout=10.0):
    return socket.create_connection(("127.0.0.1", int(proxy.address.rpartition(":")[2])), timeout)


def exchange(client, size=5):
    """Seconds until `size` bytes have come back."""
    begin, data = time.monotonic(), bytes(range(256)) * (size // 256) + bytes(size % 256)
    client.sendall(data)
    found = b""
    while len(found) < size:
        piece = client.recv(65536)
        assert piece, "the connection has ended"
        found += piece
    assert found == data
    return time.monotonic() - begin


def test_what_goes_in_comes_out_as_late_and_as_slowly_as_asked():
    with echo() as server, Proxy(server) as proxy, connect(proxy) as client:
        exchange(client, 100_000)
        proxy.delay_s = 0.1
        assert exchange(client) >= 0.2
        proxy.delay_s, proxy.rate_bps = 0.0, 400_000
        assert exchange(client, 10_000) >= 0.2
        assert proxy.connections == 1


def test_a_black_hole_ends_no_connection_and_loses_nothing():
    with echo() as server, Proxy(server) as proxy, connect(proxy) as client:
        exchange(client)
        proxy.blackhole = True
        client.sendall(b"lost?")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
        proxy.blackhole = False
        client.settimeout(10)
        assert client.recv(10) == b"lost?"


def test_a_reset_ends_every_connection_and_the_next_one_is_taken():
    with echo() as server, Proxy(server) as proxy:
        with connect(proxy) as client:
            exchange(client)
            proxy.reset()
            with pytest.raises(ConnectionResetError):
                client.recv(10)
        with connect(proxy) as client:
            exchange(client)
        assert proxy.connections == 2


def test_where_nobody_listens_the_connection_ends():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    with Proxy(address) as proxy, connect(proxy) as client:
        with suppress(ConnectionResetError):
            assert client.recv(10) == b""
        assert proxy.connections == 0
