"""Agents, targets and capacities."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario


def test_targets_are_own_neighbours_server(calm: Scenario) -> None:
    layout = OffloadLayout(calm.cluster)
    assert layout.agents == ("a", "b", "c")
    # The big board first; equal ones follow around the cluster.
    assert [layout.names(n) for n in range(3)] == [
        ("a", "c", "b", "hub"),
        ("b", "c", "a", "hub"),
        ("c", "a", "b", "hub"),
    ]
    fewer = OffloadLayout(calm.cluster, top_k=1)
    assert [fewer.names(n) for n in range(3)] == [("a", "c", "hub"), ("b", "c", "hub"), ("c", "a", "hub")]
    assert [OffloadLayout(calm.cluster, top_k=0).names(n)[1:] for n in range(3)] == [("hub",)] * 3


@pytest.mark.parametrize(("name", "fps"), [("campus-8", 15), ("city-8", 10)])
def test_capacities_are_the_published_objects_per_frame(name: str, fps: int) -> None:
    scenario = load_scenario(name, traces="synthetic")
    layout = OffloadLayout(scenario.cluster)
    # Square-root column of the specification, 7.6, in the order of the devices; the last is the server.
    expected = [6.9, 8.9, 17.3, 10.3, 8.5, 8.5, 17.3, 6.9, 22.3]
    assert layout.capacity / fps == pytest.approx(expected, rel=0.01)
    assert layout.T == 6 and layout.M == 9 and layout.N == 8


def test_an_agent_that_reaches_fewer_has_empty_places(tmp_path) -> None:
    from tests.envs.offload.small import TEXT, write

    file = write(tmp_path)
    text = TEXT.replace('from = ["a/*", "b/*", "c/*"]', 'from = ["a/*", "b/*"]')
    text += '[routes.server]\nfrom = "c/*"\nto = "hub/gate.face"\n'
    file.write_text(text)
    scenario = load_scenario(file, split="all")
    layout = OffloadLayout(scenario.cluster)
    assert layout.names(2) == ("c", None, None, "hub")
    assert layout.targets[2].tolist() == [2, -1, -1, 3]


def test_nothing_to_offload_is_said() -> None:
    with pytest.raises(ValueError, match=r"scenario 'scale-4': .*nothing to offload; allowed: scenarios with such"):
        OffloadLayout(load_scenario("scale-4", traces="synthetic").cluster)


@pytest.mark.parametrize("top_k", [-1, 1.5, True])
def test_top_k_is_checked(calm: Scenario, top_k: object) -> None:
    with pytest.raises(ValueError, match=r"top_k = .*; allowed: an integer, 0 or more"):
        OffloadLayout(calm.cluster, top_k)


def test_routes_lead_where_the_places_say(calm: Scenario) -> None:
    layout, cluster = OffloadLayout(calm.cluster, top_k=1), calm.cluster
    for g, n in enumerate(layout.group_agent):
        for r, t in zip(layout.route[g], layout.slot[g], strict=True):
            if r >= 0:
                device = cluster.instances[cluster.routes[r].target].device
                assert layout.node_device[layout.targets[n, t]] == device
                assert cluster.instances[cluster.routes[r].source].device == layout.device[n]
    assert np.isin(layout.route[layout.route >= 0], layout.owned).all() and len(layout.owned) == 15
