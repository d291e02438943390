"""From chosen instances to active ones and shares."""

from __future__ import annotations

import numpy as np

from octogym.cluster.settings import KEEP_SHARE
from octogym.scheduler.deployment import deploy
from octogym.scheduler.layout import EDGE, Layout

from .tiny import cluster, used


def shares(of, deployment):
    """Source's id -> target's id -> share, of what is above 0."""
    found: dict[str, dict[str, int]] = {}
    for r, route in enumerate(of.routes):
        source = of.instances[route.source].id if route.source < of.S else of.cameras[route.source - of.S].id
        if deployment.share_milli[r]:
            found.setdefault(source, {})[of.instances[route.target].id] = int(deployment.share_milli[r])
    return found


def put(of, sites, replicas=9):
    layout = Layout(of)
    chosen = {
        (n, stage): slots[:replicas]
        for n, stream in enumerate(layout.streams)
        for stage, slots in layout.choose(stream, sites[n]).items()
    }
    return deploy(layout, chosen, np.ones(of.S, np.int32))


def test_streams_go_where_they_shall_and_the_rest_is_idle():
    of = cluster(cameras=2, replicas=3)
    found = put(of, [{0: EDGE, 1: EDGE}, {}])
    assert used(of, found.active) == [
        "cam0/p.find",
        "cam0/p.read",
        "hub/p.find",
        "hub/p.read",
        "hub/p.read#1",
        "hub/p.read#2",
    ]
    assert shares(of, found) == {
        "camera0": {"cam0/p.find": 1000},
        "camera1": {"hub/p.find": 1000},
        "cam0/p.find": {"cam0/p.read": 1000},
        "hub/p.find": {"hub/p.read": 334, "hub/p.read#1": 333, "hub/p.read#2": 333},
        # Nobody sends there; what it still holds goes to what is active.
        "cam1/p.find": {"hub/p.read": 334, "hub/p.read#1": 333, "hub/p.read#2": 333},
    }


def test_idle_replicas_get_nothing():
    of = cluster(replicas=3)
    found = put(of, [{}], replicas=2)
    assert used(of, found.active) == ["hub/p.find", "hub/p.read", "hub/p.read#1"]
    assert shares(of, found)["hub/p.find"] == {"hub/p.read": 500, "hub/p.read#1": 500}


def test_every_group_sums_to_1000_or_is_kept():
    of = cluster(cameras=3, replicas=2)
    found = put(of, [{}, {0: EDGE}, {0: EDGE, 1: EDGE}])
    for g in range(of.groups):
        own = [int(found.share_milli[r]) for r, route in enumerate(of.routes) if route.group == g]
        assert sum(own) == 1000 or own == [KEEP_SHARE] * len(own)


def test_a_source_without_a_route_to_what_was_chosen_uses_its_first():
    of = cluster()
    found = deploy(Layout(of), {}, np.ones(of.S, np.int32))
    assert shares(of, found)["camera0"] == {"cam0/p.find": 1000}
    assert used(of, found.active) == ["cam0/p.find", "cam0/p.read"]
