"""Which addresses stay on this machine."""

from __future__ import annotations

import pytest

from octogym.bridge.addresses import AddressError, check_listen, is_local


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:5760", "tcp://127.8.9.1:*", "tcp://[::1]:1", "tcp://localhost:80", "ipc://rack.sock"]
)
def test_addresses_of_this_machine_alone(address):
    assert is_local(address)
    check_listen(address, curve=False)


@pytest.mark.parametrize("address", ["tcp://*:5760", "tcp://0.0.0.0:5760", "tcp://[::]:5760", "tcp://10.1.2.3:5760"])
def test_nothing_beyond_this_machine_without_curve(address):
    assert not is_local(address)
    check_listen(address, curve=True)
    with pytest.raises(AddressError, match="without CURVE"):
        check_listen(address, curve=False)


@pytest.mark.parametrize(
    "address", ["", "ipc://", "udp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://rig.lan:1"]
)
def test_other_addresses_are_refused(address):
    with pytest.raises(AddressError, match="address"):
        is_local(address)
