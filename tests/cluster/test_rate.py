"""The six-window average of arrivals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.rate import SPANS_S, RateMeter


def by_definition(arrivals: list[int]) -> float:
    return float(np.mean([np.mean(arrivals[-span:]) for span in SPANS_S]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=200))
def test_it_is_the_mean_of_six_means(arrivals):
    meter = RateMeter(1, 1)
    for n, count in enumerate(arrivals):
        rate = meter.push(np.array([[count]]))
        assert rate[0, 0] == pytest.approx(by_definition(arrivals[: n + 1]))


def test_environments_and_instances_are_apart_and_reset_forgets_only_the_marked():
    meter = RateMeter(2, 2)
    for _ in range(70):
        meter.push(np.array([[1, 2], [3, 4]]))
    meter.reset(np.array([True, False]))
    assert meter.push(np.array([[5, 6], [3, 4]])).tolist() == [[5, 6], [3, 4]]


def test_spans_are_seconds_whatever_the_window():
    meter = RateMeter(1, 1, period_ns=500_000_000)
    for _ in range(200):
        rate = meter.push(np.array([[5]]))
    assert rate[0, 0] == pytest.approx(10)
