"""ZeroMQ, where it is installed."""

from __future__ import annotations

from typing import Any

from octogym.cluster.errors import MissingExtra, OctoGymError


def load_zmq() -> Any:
    """The module `zmq`, with CURVE.

    Raises:
        MissingExtra: pyzmq is not installed.
        OctoGymError: its libzmq was built without CURVE.
    """
    try:
        import zmq
    except ModuleNotFoundError:
        raise MissingExtra("node", "pyzmq") from None
    if not zmq.has("curve"):
        raise OctoGymError(f"libzmq {zmq.zmq_version()} was built without CURVE; install the wheel of pyzmq")
    return zmq


def make_bulky(socket: Any) -> None:
    """Settings for a few messages of many MiB: few of them wait, and TCP finds out who has gone."""
    socket.sndhwm = socket.rcvhwm = 4
    socket.tcp_keepalive, socket.tcp_keepalive_idle = 1, 10
    socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 5, 3
    socket.tcp_maxrt = 15_000
