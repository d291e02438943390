"""What the kernel cannot hold is refused by name when a backend is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.loading import load_scenario
from octogym.cluster.options import SimOptions
from octogym.sim import SimBackend, layout

SCENARIO = load_scenario("traffic-2", traces="synthetic")


def with_cluster(**changes):
    return replace(SCENARIO, cluster=replace(SCENARIO.cluster, index={}, **changes))


def test_too_many_classes():
    names = tuple(f"class-{k}" for k in range(layout.MAX_CLASSES + 1))
    with pytest.raises(ValueError, match=f"{layout.MAX_CLASSES + 1} object classes; allowed: at most"):
        SimBackend(with_cluster(classes=names))


def test_unknown_spreading():
    with pytest.raises(ValueError, match=r"options\.spread = 'random'; allowed"):
        SimBackend(replace(SCENARIO, options=SimOptions(spread="random")))


def test_two_edges_to_one_stage():
    edges = SCENARIO.cluster.edges
    with pytest.raises(ValueError, match="two edges to one stage"):
        SimBackend(with_cluster(edges=(*edges, edges[0])))


def test_an_edge_without_a_class():
    first, *rest = SCENARIO.cluster.edges
    with pytest.raises(ValueError, match="names no class"):
        SimBackend(with_cluster(edges=(replace(first, object_class=-1), *rest)))


def test_a_camera_without_a_route():
    routes = tuple(r for r in SCENARIO.cluster.routes if r.source != SCENARIO.cluster.S)
    groups = sorted({r.group for r in routes})
    routes = tuple(replace(r, group=groups.index(r.group)) for r in routes)
    with pytest.raises(ValueError, match="has no route to a first stage"):
        SimBackend(with_cluster(routes=routes))


def test_routes_of_a_group_stand_together():
    routes = SCENARIO.cluster.routes
    with pytest.raises(ValueError, match="do not stand together"):
        SimBackend(with_cluster(routes=(*routes, routes[0])))


def test_delay_of_more_than_one_window():
    backend = SimBackend(replace(SCENARIO, options=SimOptions(delay_steps=2)))
    backend.reset(seed=0)

    with pytest.raises(ValueError, match="delay_steps = 2; allowed: 0, 1"):
        backend.step(Decision.keep(SCENARIO.cluster))
