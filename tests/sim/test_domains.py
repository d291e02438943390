"""Devices that exchange messages both ways are played together, the rest in the direction of their messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.loading import load_scenario
from octogym.sim.domains import domains
from tests.reference.random_scenarios import random_scenario


def sends(cluster):
    """Pairs (source device, target device) of all routes."""
    pairs = set()
    for route in cluster.routes:
        camera = route.source - cluster.S
        source = cluster.cameras[camera].device if camera >= 0 else cluster.instances[route.source].device
        pairs.add((source, cluster.instances[route.target].device))
    return pairs


@given(st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_messages_go_forward_only(seed):
    cluster = random_scenario(seed).cluster
    parts = domains(cluster)
    place = {d: k for k, part in enumerate(parts) for d in part}
    assert sorted(place) == list(range(cluster.D)) == sorted(d for part in parts for d in part)
    assert all(place[source] <= place[target] for source, target in sends(cluster))


def test_testbed_devices_stand_alone_and_the_server_comes_last():
    cluster = load_scenario("fcpo-testbed", traces="synthetic").cluster
    parts = domains(cluster)
    assert all(len(part) == 1 for part in parts)
    assert cluster.devices[parts[-1][0]].id == "server"


@pytest.mark.parametrize("name", ["campus-8", "campus-16"])
def test_cameras_that_offload_to_each_other_are_one_domain(name):
    cluster = load_scenario(name, traces="synthetic").cluster
    largest = max(domains(cluster), key=len)
    assert {cluster.devices[d].role for d in largest} == {"camera"} and len(largest) >= 8
