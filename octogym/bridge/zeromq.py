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
