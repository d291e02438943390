"""Addresses that a host listens on, and which of them stay on this machine."""

from __future__ import annotations

import ipaddress
import re

from octogym.cluster.errors import OctoGymError

_TCP = re.compile(r"tcp://(\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:/]+):(\*|\d+)\Z")


class AddressError(OctoGymError, ValueError):
    """An address that cannot be used; the message says what is expected."""


def is_local(address: str) -> bool:
    """Whether nothing outside this machine can reach a socket bound to `address` (`tcp://HOST:PORT`, `ipc://FILE`).

    Raises:
        AddressError: no such address. Names other than `localhost` are refused, since what they mean may change.
    """
    if address.startswith("ipc://") and len(address) > len("ipc://"):
        return True
    match = _TCP.match(address)
    if match is None or (match[2] != "*" and int(match[2]) > 65535):
        raise AddressError(f"address {address!r}: expected tcp://HOST:PORT, tcp://[IPV6]:PORT or ipc://FILE")
    host = match[1].strip("[]")
    if host == "localhost":
        return True
    if host == "*":
        return False
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        raise AddressError(f"address {address!r}: expected an IP address of this machine, localhost or *") from None


def check_listen(address: str, curve: bool) -> None:
    """AddressError for an address beyond this machine without CURVE: anybody there could steer the rack."""
    if not is_local(address) and not curve:
        raise AddressError(
            f"listen = {address!r} without CURVE: expected an address of this machine alone (127.0.0.1, ipc://), "
            "or curve = true"
        )
