from __future__ import annotations

import json

import pytest

from octogym.fed.errors import FedError
from octogym.fed.links import NEVER_NS, Links
from tests.fed.toy import SECOND

LATENCY = 5_000_000
MEGA = 1_000_000  # bytes: a second at 8 Mbit/s


def links(server=None, **rates):
    found = Links(LATENCY, 8e6, server)
    found.now(0, rates)
    return found


def test_a_message_takes_bytes_over_bandwidth_and_the_latency():
    assert links().send("d", MEGA, False, 0).arrives_ns == SECOND + LATENCY
    assert links(d=(16e6, 4e6)).send("d", MEGA, False, 7).arrives_ns == 7 + SECOND // 2 + LATENCY
    assert links(d=(16e6, 4e6)).send("d", MEGA, True, 0).arrives_ns == 2 * SECOND + LATENCY
    assert links(d=(3.9, 0)).send("d", 1, False, 0).sent_ns == -(-8 * SECOND // 3)


def test_messages_of_one_link_follow_each_other_and_links_are_independent():
    found = links()
    assert found.send("d", MEGA, False, 0).arrives_ns == SECOND + LATENCY
    assert found.send("d", MEGA, False, 10).arrives_ns == 2 * SECOND + LATENCY
    assert found.send("d", MEGA, True, 10).arrives_ns == 10 + SECOND + LATENCY
    assert found.send("e", MEGA, False, 10).arrives_ns == 10 + SECOND + LATENCY


def test_a_message_goes_on_at_the_rate_in_force():
    found = links(d=(8e6, 0))
    first, second = (found.send("d", MEGA, False, 0) for _ in range(2))
    found.now(SECOND // 4, {"d": (0, 0)})
    assert first.arrives_ns == second.arrives_ns == NEVER_NS
    found.now(2 * SECOND, {"d": (16e6, 0)})
    assert first.arrives_ns == 2 * SECOND + SECOND * 3 // 8 + LATENCY
    assert second.arrives_ns == first.arrives_ns + SECOND // 2
    found.now(3 * SECOND, {"d": (1, 0)})
    assert first.arrives_ns == 2 * SECOND + SECOND * 3 // 8 + LATENCY  # what is through is through


def test_what_is_taken_off_a_link_lets_the_next_go_ahead():
    found = links()
    first, second, third = (found.send("d", MEGA, False, 0) for _ in range(3))
    found.now(SECOND // 2, None)
    found.remove(first)
    assert second.arrives_ns == SECOND // 2 + SECOND + LATENCY
    found.remove(third)
    found.remove(third)
    assert second.arrives_ns == SECOND // 2 + SECOND + LATENCY


def test_on_the_servers_device_it_takes_no_time():
    found = links("d", d=(0, 0))
    transit = found.send("d", 10, False, 3)
    assert transit.arrives_ns == 3
    found.remove(transit)


def test_state_comes_back():
    found, other = links(d=(8e6, 1)), links()
    transits = [found.send("d", MEGA, down, 0) for down in (False, True, False)]
    found.now(SECOND // 3, {"d": (1e6, 1e6)})
    loaded = other.load(json.loads(json.dumps(found.state_dict())))
    for one in (found, other):
        one.now(SECOND // 2, {"d": (2e6, 2e6)})
    assert [loaded[t.id].arrives_ns for t in transits] == [t.arrives_ns for t in transits]


def test_wrong_calls_are_refused():
    with pytest.raises(FedError, match="expected more than at the last call"):
        links().now(0, None)
    for pair in ((-1, 0), (1, float("nan"))):
        with pytest.raises(FedError, match="device 'd': bandwidth"):
            links(d=pair)
