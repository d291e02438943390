"""Who gets through to a host's sockets, and as whom."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("zmq")

import zmq

from octogym.bridge.addresses import AddressError
from octogym.bridge.keys import Admission, Fixed, KeyRing, new_pair
from octogym.bridge.sockets import HostSockets
from octogym.cluster.errors import OctoGymError
from octogym.device_node.link import HostLink

LOCAL = "tcp://127.0.0.1:*"


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.destroy(0)


def until(sockets, done, seconds=5.0):
    """Serve the sockets until `done` or time is up; returns the messages that came."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end and not done(found):
        sockets.wait(20)
        sockets.answer_door(time.monotonic_ns())
        sockets.lost()
        while (message := sockets.receive("control")) is not None:
            found.append(message)
    return found


def test_a_device_is_known_by_its_key_and_a_stranger_not_heard(context):
    host, one, two, stranger = (new_pair() for _ in range(4))
    sockets = HostSockets(host, Fixed({one.public: "cam-1", two.public: "cam-2"}), {"control": 1 << 18})
    address = sockets.listen("control", LOCAL)
    links = {pair.public: HostLink(context, address, pair, host.public, 1 << 18) for pair in (one, two, stranger)}
    sent = dict.fromkeys(links, 0)

    def both(found):
        for key, link in links.items():
            sent[key] += link.send([b"I am", key[:4]])
        return {key for key, _ in found} == {one.public, two.public} and sockets.door.strangers

    found = until(sockets, both)
    assert both(found)
    assert all(frames == [b"I am", key[:4]] for key, frames in found)
    assert sent[stranger.public] == 0
    assert sockets.send("control", one.public, [b"hello"]) and not sockets.send("control", stranger.public, [b"x"])
    for _ in range(100):
        answer = links[one.public].receive()
        if answer is not None:
            break
        time.sleep(0.02)
    assert answer == [b"hello"] and links[two.public].receive() is None
    for link in links.values():
        link.close()
    sockets.close()


def test_another_host_with_the_same_address_is_not_believed(context):
    real, other, device = new_pair(), new_pair(), new_pair()
    sockets = HostSockets(other, Fixed({device.public: "cam-1"}), {"control": 1 << 18})
    link = HostLink(context, sockets.listen("control", LOCAL), device, real.public, 1 << 18)
    assert until(sockets, lambda found: link.send([b"secret"]), 1.0) == []
    link.close()
    sockets.close()


def test_a_revoked_key_is_silenced_while_connected(context, tmp_path):
    host, ring = new_pair(), KeyRing(tmp_path / "keys")
    device = new_pair()
    ring.allow("cam-1", device.public)
    admission = Admission(ring)
    sockets = HostSockets(host, admission, {"control": 1 << 18})
    link = HostLink(context, sockets.listen("control", LOCAL), device, host.public, 1 << 18)
    assert until(sockets, lambda found: link.send([b"on"]) and found)
    ring.revoke("cam-1")
    admission.refresh()
    assert not sockets.send("control", device.public, [b"decision"])
    before = sockets.door.revoked
    assert until(sockets, lambda found: link.send([b"off"]) and sockets.door.revoked > before, 2.0) == []
    assert sockets.door.revoked > before
    link.close()
    sockets.close()


def test_a_frame_above_the_limit_ends_the_connection_unread(context):
    host, device = new_pair(), new_pair()
    sockets = HostSockets(host, Fixed({device.public: "cam-1"}), {"control": 1000})
    link = HostLink(context, sockets.listen("control", LOCAL), device, host.public, 1000)
    assert until(sockets, lambda found: link.send([b"small"]) and found)
    link.send([bytes(2000)])
    found = until(sockets, lambda found: False, 0.3)
    assert all(len(frame) <= 1000 for _, frames in found for frame in frames)
    assert until(sockets, lambda found: link.send([b"again"]) and found)
    link.close()
    sockets.close()


def test_a_routing_id_of_ones_own_is_not_taken(context):
    host, device = new_pair(), new_pair()
    sockets = HostSockets(host, Fixed({device.public: "cam-1"}), {"control": 1000})
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.routing_id = b"cam-2"
    socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = host.public, device.public, device.secret
    socket.connect(sockets.listen("control", LOCAL))
    socket.send(b"I am somebody else")
    assert until(sockets, lambda found: sockets.door.unnamed) == []
    assert sockets.door.unnamed == 1
    socket.close()
    sockets.close()


def test_a_lost_connection_is_noticed(context):
    host, device = new_pair(), new_pair()
    sockets = HostSockets(host, Fixed({device.public: "cam-1"}), {"control": 1000})
    address = sockets.listen("control", LOCAL)
    link = HostLink(context, address, device, host.public, 1000)
    assert until(sockets, lambda found: link.send([b"here"]) and found)
    assert sockets.connected("control", device.public)
    link.close()
    lost, end = [], time.monotonic() + 5
    while not lost and time.monotonic() < end:
        sockets.wait(20)
        while sockets.receive("control") is not None:
            pass
        lost = sockets.lost()
    assert lost == [("control", device.public)]
    assert not sockets.connected("control", device.public)
    sockets.close()


def test_where_a_host_cannot_listen():
    plain = HostSockets(None, Fixed({}), {"control": 1000})
    with pytest.raises(AddressError, match="without CURVE"):
        plain.listen("control", "tcp://0.0.0.0:*")
    taken = plain.listen("control", LOCAL)
    other = HostSockets(new_pair(), Fixed({}), {"control": 1000})
    with pytest.raises(OctoGymError, match="expected a free address of this machine"):
        other.listen("control", taken)
    plain.close()
    other.close()
