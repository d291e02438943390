"""Intervals over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from octogym.cluster.statistics import mean_interval, paired_interval, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 5, 10, 11, 15, 29, 100, 1000])
def test_quantiles_of_students_t(freedom):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=2e-4)


def test_interval_of_a_mean():
    values = [0.71, 0.74, 0.69, 0.80]
    mean, half = mean_interval(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=1e-4)


def test_one_value_has_no_interval_and_missing_values_do_not_count():
    mean, half = mean_interval([2.0, float("nan")])
    assert mean == 2.0 and np.isnan(half)
    assert np.isnan(mean_interval([])).all()


def test_a_paired_difference_is_tighter_than_its_parts():
    seeds = np.array([0.5, 0.7, 0.9])
    mean, half = paired_interval(seeds + np.array([0.05, 0.06, 0.04]), seeds)
    assert mean == pytest.approx(0.05) and half < 0.05 < mean_interval(seeds)[1]
