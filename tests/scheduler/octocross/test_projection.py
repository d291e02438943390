"""Limits of offloading decisions, with NumPy and with torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross import projection_torch
from octogym.scheduler.octocross.config import Limits
from octogym.scheduler.octocross.projection import expected_load, project, shares, thousandths

ALL = Limits(theta=1.0, beta=1.0, least_added=0.0)


@st.composite
def problems(draw):
    """Scores, loads, capacities, edges, servers and limits of a random cluster."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 12))
    scores = rng.normal(0, draw(st.sampled_from([0.0, 1.0, 30.0])), (n, n))
    load = rng.uniform(0, 25, n) * (rng.random(n) < 0.9)
    capacity = rng.uniform(0, 15, n) * (rng.random(n) < 0.9)
    edges = rng.random((n, n)) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    servers = rng.random(n) < 0.2
    limits = Limits(theta=draw(st.sampled_from([0.3, 0.5, 1.0])), beta=draw(st.sampled_from([0.5, 0.9, 1.0])))
    return scores, load, capacity, edges, servers, limits


def check(moved, matrix, load, capacity, edges, limits, tolerance):
    surplus, room = np.maximum(load - capacity, 0), limits.beta * np.maximum(capacity - load, 0)
    assert np.isfinite(moved).all() and moved.min(initial=0) >= 0
    assert (moved.sum(1) <= surplus + tolerance).all()
    assert (moved.sum(0) <= room + tolerance).all()
    assert (moved <= limits.theta * load[:, None] + tolerance).all()
    assert not moved[~edges].any() and not moved.diagonal().any()
    assert np.allclose(matrix.sum(1), 1, atol=tolerance)
    remote = matrix[~np.eye(len(load), dtype=bool)]
    assert remote.min(initial=0) >= 0 and remote.max(initial=0) <= limits.theta + tolerance
    assert matrix.diagonal().min(initial=1) >= -tolerance


@given(problems())
def test_limits_hold(problem):
    _, load, capacity, edges, _, limits = problem
    moved = project(*problem)
    check(moved, shares(moved, load), load, capacity, edges, limits, 1e-9)


@settings(deadline=None)
@given(problems())
def test_torch_and_numpy_agree(problem):
    *numbers, limits = problem
    tensors = [torch.tensor(x) for x in numbers]
    moved = projection_torch.project(*tensors, limits)
    assert np.allclose(moved, project(*problem), atol=1e-9)
    matrix = projection_torch.shares(moved, tensors[1])
    assert np.allclose(matrix, shares(moved.numpy(), numbers[1]), atol=1e-9)


@settings(deadline=None)
@given(problems())
def test_limits_hold_in_single_precision(problem):
    scores, load, capacity, edges, servers, limits = problem
    single = [torch.tensor(x, dtype=torch.float32) for x in (scores, load, capacity)]
    moved = projection_torch.project(*single, torch.tensor(edges), torch.tensor(servers), limits)
    matrix = projection_torch.shares(moved, single[1])
    check(moved.double().numpy(), matrix.double().numpy(), load, capacity, edges, limits, 1e-4)


@given(problems(), st.randoms(use_true_random=False))
def test_order_of_nodes_and_padding_change_nothing(problem, random):
    scores, load, capacity, edges, servers, limits = problem
    n = len(load)
    moved = project(*problem)
    order = list(range(n))
    random.shuffle(order)
    pair = np.ix_(order, order)
    turned = project(scores[pair], load[order], capacity[order], edges[pair], servers[order], limits)
    assert np.allclose(turned, moved[pair], atol=1e-9)

    def pad(x):
        return np.pad(x, [(0, 2)] * x.ndim)

    padded = project(pad(scores), pad(load), pad(capacity) + 3.0, pad(edges), pad(servers), limits)
    capacity_too = project(scores, load, capacity + 3.0, edges, servers, limits)
    assert np.allclose(padded[:n, :n], capacity_too, atol=1e-9)
    assert not padded[n:].any() and not padded[:, n:].any()


@given(problems())
def test_a_batch_is_its_clusters_one_by_one(problem):
    scores, load, capacity, edges, servers, limits = problem
    twice = project(
        np.stack([scores, scores.T]), np.stack([load, load / 3]), capacity, np.stack([edges, edges]), servers, limits
    )
    assert np.allclose(twice[0], project(*problem))
    assert np.allclose(twice[1], project(scores.T, load / 3, capacity, edges, servers, limits))


def test_what_a_full_target_rejects_is_offered_to_the_next():
    # All want node 2, which has room for 2; the rest must end at node 3, which none prefers.
    scores = np.zeros((4, 4))
    scores[:, 2] = 20.0
    moved = project(scores, [14, 13, 8, 0], np.full(4, 10.0), np.ones((4, 4), bool), limits=ALL)
    assert moved[:, 2].sum() == pytest.approx(2)
    assert moved[:, 3].sum() == pytest.approx(5)
    assert moved.sum(1) == pytest.approx([4, 3, 0, 0])


def test_servers_get_what_no_device_takes():
    servers = np.array([False, False, True])
    edges = np.ones((3, 3), bool)
    moved = project(np.zeros((3, 3)), [20, 4, 0], [10, 10, 50], edges, servers, Limits(theta=1.0, beta=1.0))
    assert moved[0].tolist() == pytest.approx([0, 6, 4])
    moved = project(np.zeros((3, 3)), [12, 4, 0], [10, 10, 50], edges, servers, Limits(theta=1.0, beta=1.0))
    assert moved[0].tolist() == pytest.approx([0, 2, 0])


def test_no_surplus_leaves_over_edges_that_are_closed():
    edges = np.zeros((3, 3), bool)
    edges[1, 2] = True
    moved = project(np.zeros((3, 3)), [20, 4, 0], [10, 10, 10], edges)
    assert not moved.any()
    assert shares(moved, [20, 4, 0]).tolist() == np.eye(3).tolist()


def test_small_shares_stay_at_home():
    moved = np.array([[0, 0.1, 5.0], [0, 0, 0], [0, 0, 0]])
    matrix = shares(moved, [20, 0, 0], least_share=0.02)
    assert matrix[0].tolist() == pytest.approx([0.75, 0, 0.25])


@given(problems())
def test_thousandths_sum_to_a_thousand_and_pass_no_limit(problem):
    matrix = shares(project(*problem), problem[1])
    milli = thousandths(matrix)
    away = ~np.eye(len(milli), dtype=bool)
    assert (milli.sum(1) == 1000).all() and milli.min(initial=0) >= 0
    assert (milli[away] <= 1000 * matrix[away] + 1e-3).all()


def test_plans_for_the_larger_of_present_and_coming_load():
    forecast = np.concatenate([np.full((2, 15), 6.0), np.full((2, 5), 99.0)], axis=1)
    assert expected_load(np.array([8.0, 3.0]), forecast).tolist() == [8.0, 6.0]
    both = projection_torch.expected_load(torch.tensor([8.0, 3.0]), torch.tensor(forecast, dtype=torch.float32))
    assert both.tolist() == [8.0, 6.0]


def test_scores_and_loads_get_gradients():
    scores = torch.zeros(3, 3, requires_grad=True)
    load = torch.tensor([12.0, 4.0, 5.0], requires_grad=True)
    moved = projection_torch.project(scores, load, torch.full((3,), 10.0), torch.ones(3, 3, dtype=torch.bool))
    (moved[0, 1] + projection_torch.shares(moved, load)[0, 1]).backward()
    assert scores.grad[0, 1] > 0 > scores.grad[0, 2]
    assert load.grad[0] > 0
    assert torch.isfinite(scores.grad).all() and torch.isfinite(load.grad).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scores": np.zeros((2, 3))}, "scores"),
        ({"scores": np.full((2, 2), np.nan)}, "scores"),
        ({"load": [-1.0, 2.0]}, "load"),
        ({"capacity": [np.inf, 2.0]}, "capacity"),
    ],
)
def test_bad_input_is_refused(change, match):
    good = {"scores": np.zeros((2, 2)), "load": [1.0, 2.0], "capacity": 10.0, "edges": np.ones((2, 2), bool)}
    with pytest.raises(SchedulerError, match=match):
        project(**{**good, **change})
