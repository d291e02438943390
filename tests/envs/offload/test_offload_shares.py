"""Actions become shares, shares become thousandths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.shares import RouteShares, largest_remainder, shares
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.actions import weights

ACTIONS = hnp.arrays(np.float64, (2, 3, 4), elements=st.floats(-1, 1, width=32))
VALID = hnp.arrays(np.bool_, (2, 3, 4))
WEIGHTS = hnp.arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1))


@given(ACTIONS, VALID)
def test_shares_follow_the_rule(actions: np.ndarray, valid: np.ndarray) -> None:
    got = shares((actions + 1) / 2, valid)
    for at in np.ndindex(2, 3):
        wish = [(a + 1) / 2 if ok else 0.0 for a, ok in zip(actions[at], valid[at], strict=True)]
        expected = np.array(wish) / sum(wish) if sum(wish) > 1e-9 else np.array([1.0, 0, 0, 0])
        if sum(wish) > 1e-9 or sum(wish) == 0:
            assert np.allclose(got[at], expected)
    assert np.allclose(got.sum(-1), 1) and (got >= 0).all()


@given(WEIGHTS)
def test_thousandths_sum_up_and_are_within_one(weight: np.ndarray) -> None:
    total = weight.sum()
    parts = weight / total if total > 1e-12 else np.zeros_like(weight)
    got = largest_remainder(parts)
    assert got.sum() == (1000 if total > 1e-12 else 0)
    assert (np.abs(got - 1000 * parts) < 1 + 1e-6).all() and (got[weight == 0] == 0).all()


def test_remainders_decide_and_ties_go_to_the_lower_index() -> None:
    assert largest_remainder(np.array([1, 1, 1]) / 3).tolist() == [334, 333, 333]
    assert largest_remainder(np.array([0.0, 0.0004, 0.9996])).tolist() == [0, 0, 1000]
    assert largest_remainder(np.array([[0.5, 0.5], [0.0, 0.0]])).tolist() == [[500, 500], [0, 0]]


@settings(max_examples=50)
@given(ACTIONS, hnp.arrays(np.int8, (2, 4), elements=st.integers(0, 1)))
def test_decisions_are_valid_whatever_is_asked_and_whoever_is_there(
    calm: Scenario, actions: np.ndarray, present: np.ndarray
) -> None:
    layout = OffloadLayout(calm.cluster)
    routes, cluster = RouteShares(layout), calm.cluster
    usable = routes.usable(present, np.ones((2, cluster.S), np.int8))
    valid = routes.valid(usable)
    wanted = shares((actions + 1) / 2, valid)
    decision = Decision.keep(cluster, 2)
    decision.share_milli[:, layout.owned] = routes.milli(wanted, usable)
    decision.validate(cluster, 2)
    # What is in force is what was asked for, to a thousandth per route.
    there = (valid & (wanted > 0)).any(-1)
    off = np.abs(routes.in_force(decision.share_milli) - wanted).max(-1)
    assert (off[there] < 0.002 + 1e-9).all()
    for e in range(2):
        for r in layout.owned:
            target = cluster.instances[cluster.routes[r].target].device
            if decision.share_milli[e, r] and not present[e, target]:
                # Only a group that reaches nobody sends over its local route.
                assert cluster.routes[r].share_milli > 0


def test_instances_on_one_device_share_evenly(calm: Scenario) -> None:
    layout = OffloadLayout(calm.cluster)
    routes = RouteShares(layout)
    present, active = np.ones((1, 4), np.int8), np.ones((1, calm.cluster.S), np.int8)
    server = np.zeros((1, 3, 4))
    server[..., 3] = 1
    both = routes.milli(server, routes.usable(present, active))
    assert both.reshape(3, 5).tolist() == [[0, 0, 0, 500, 500]] * 3
    active[0, calm.cluster.index["hub/gate.face#1"]] = 0
    one = routes.milli(server, routes.usable(present, active))
    assert one.reshape(3, 5).tolist() == [[0, 0, 0, 1000, 0]] * 3


def test_bad_actions_are_refused_by_name(calm: Scenario) -> None:
    layout = OffloadLayout(calm.cluster)
    good = np.zeros((2, 3, 4))
    assert (weights(good, layout, 2) == 0.5).all()
    for value in (1.5, -1.01, np.nan, np.inf):
        bad = good.copy()
        bad[1, 2, 0] = value
        with pytest.raises(ValueError, match=r"action of 'c of environment 1' = .*; allowed: 4 numbers from -1 to 1"):
            weights(bad, layout, 2)
    with pytest.raises(ValueError, match=r"of shape \(1, 3, 4\); allowed: numbers of shape \(2, 3, 4\)"):
        weights(good[:1], layout, 2)
    with pytest.raises(ValueError, match="numbers of shape"):
        weights(good.astype(bool), layout, 2)
