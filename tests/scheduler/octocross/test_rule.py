"""How shares are made from scores: the published rule and ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import Limits
from octogym.scheduler.octocross.projection import project, shares
from octogym.scheduler.octocross.rule import PLUS, PUBLISHED, Rule, planned_level, shares_by_rule

SHED = Rule(Limits(theta=1.0, beta=1.0), shed=True)


def situation(seed: int, nodes: int = 6):
    rng = np.random.default_rng(seed)
    routes = ~np.eye(nodes, dtype=bool)
    routes[-1] = False  # a server sends nothing
    edges = routes & (rng.random((nodes, nodes)) < 0.6)
    servers = np.arange(nodes) == nodes - 1
    load = np.where(servers, 0.0, rng.uniform(0, 20, nodes))
    return rng.normal(size=(nodes, nodes)), load, rng.uniform(5, 15, nodes), edges, routes, servers


@given(st.integers(0, 10_000), st.sampled_from([PUBLISHED, PLUS, SHED]))
def test_rows_sum_to_one_over_routes_only(seed: int, rule: Rule) -> None:
    scores, load, capacity, edges, routes, servers = situation(seed)
    valid = np.random.default_rng(seed + 1).random(6) < 0.8
    edges = edges & valid[:, None] & valid[None, :]
    got = shares_by_rule(scores, load, capacity, edges, routes, valid, servers, rule)
    assert np.allclose(got.sum(1), 1) and (got >= -1e-12).all()
    allowed = (routes & valid[:, None] & valid[None, :]) if rule.shed else edges
    assert not got[~allowed & ~np.eye(6, dtype=bool)].any()


@given(st.integers(0, 10_000))
def test_the_published_rule_is_the_projection(seed: int) -> None:
    scores, load, capacity, edges, routes, servers = situation(seed)
    got = shares_by_rule(scores, load, capacity, edges, routes, np.ones(6, bool), servers)
    assert np.allclose(got, shares(project(scores, load, capacity, edges, servers), load, Limits().least_share))


def test_nodes_are_planned_as_full_as_all_are_on_the_whole() -> None:
    there = np.ones(4, bool)
    rule = Rule(level=(0.5, 0.8), margin=1.1)
    assert planned_level(np.array([6.0, 6, 6, 6]), np.full(4, 10.0), there, rule) == pytest.approx(0.66)
    assert planned_level(np.array([1.0, 1, 1, 1]), np.full(4, 10.0), there, rule) == 0.5
    assert planned_level(np.array([9.0, 9, 9, 9]), np.full(4, 10.0), there, rule) == 0.8
    # Nodes that are not there count for nothing.
    assert planned_level(np.array([6.0, 6, 0, 0]), np.full(4, 10.0), np.array([1, 1, 0, 0], bool), rule) == 0.66


def test_surplus_leaves_a_node_whose_uplink_is_out() -> None:
    routes = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
    edges = routes & np.array([[False], [True], [False]])
    load, capacity, servers = np.array([20.0, 5, 0]), np.full(3, 10.0), np.array([False, False, True])
    scores, there = np.zeros((3, 3)), np.ones(3, bool)
    got = shares_by_rule(scores, load, capacity, edges, routes, there, servers, SHED)
    assert got[0].tolist() == pytest.approx([0.5, 0, 0.5])  # half of it fits at home
    kept = shares_by_rule(scores, load, capacity, edges, routes, there, servers, Rule(SHED.limits))
    assert kept[0].tolist() == [1, 0, 0]


def test_where_all_are_full_one_node_is_given_up_for_the_others() -> None:
    routes = ~np.eye(3, dtype=bool)
    load, capacity = np.array([12.0, 30, 11]), np.full(3, 10.0)
    none = np.zeros(3, bool)
    got = shares_by_rule(np.zeros((3, 3)), load, capacity, routes, routes, ~none, none, SHED)
    after = load @ got
    assert after.tolist() == pytest.approx([10, 33, 10]) and got[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize("wrong", [{"level": (0.8, 0.6)}, {"level": (0.0, 0.6)}, {"level": (0.5, 1.3)}, {"margin": 0}])
def test_numbers_that_make_no_sense(wrong) -> None:
    with pytest.raises(SchedulerError, match=next(iter(wrong))):
        Rule(**wrong)
