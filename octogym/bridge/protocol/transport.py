"""What host and node set on their sockets alike (docs/protocol.md, section 1). ZeroMQ itself is the caller's."""

from __future__ import annotations

from typing import Any

#: Messages that wait to be read on a control socket. Where they fill up, ZeroMQ reads no more, not even its own
#: heartbeats, and libzmq 4.3 may abort the process when the other side then leaves (libzmq issues 3937, 4767, 4841):
#: never to be reached.
UNREAD = 4096
#: Messages of many MiB that wait, each way.
BULKY_WAITING = 4


def make_bulky(socket: Any) -> None:
    """For a few messages of many MiB: few of them wait, and TCP finds out who has gone. With heartbeats, a few unread
    messages could end the process (`UNREAD`)."""
    socket.sndhwm = socket.rcvhwm = BULKY_WAITING
    socket.tcp_keepalive, socket.tcp_keepalive_idle = 1, 10
    socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 5, 3
    socket.tcp_maxrt = 15_000
