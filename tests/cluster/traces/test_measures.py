"""Figures of series against what is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from octogym.cluster.traces import CountSeries, RateSeries
from octogym.cluster.traces.measures import (
    autocorrelation,
    count_figures,
    lag_correlations,
    outage_runs_s,
    rate_figures,
)

S = 10**9


def test_autocorrelation():
    wave = np.sin(2 * np.pi * np.arange(4000) / 100)
    assert autocorrelation(wave, 50) == pytest.approx(-1, abs=0.01)
    assert autocorrelation(wave, 100) == pytest.approx(1, abs=0.01)
    assert math.isnan(autocorrelation(np.ones(10), 1))
    assert math.isnan(autocorrelation(np.arange(5), 3))


def test_count_figures_leave_out_what_is_unavailable():
    series = CountSeries("a", 1, {"person": np.array([1, 3, -1]), "car": np.array([1, 1, -1])}, "test")
    figures = count_figures(series)
    assert (figures.mean, figures.variance, figures.peak) == (3.0, 1.0, 4)
    assert figures.available == pytest.approx(2 / 3)
    nothing = count_figures(CountSeries("a", 1, {"car": np.array([-1, -1])}, "test"))
    assert (nothing.mean, nothing.available) == (0.0, 0.0)


def test_outages():
    series = RateSeries("r", np.array([0, 1, 2, 4, 7]) * S, np.array([0, 5, 0, 0, 8]) * 10**6, 10 * S, "test")
    assert outage_runs_s(series) == [1.0, 5.0]
    figures = rate_figures(series)
    assert figures.outages == 2
    assert figures.outage_share == pytest.approx(0.6)
    assert (figures.outage_mean_s, figures.outage_longest_s) == (3.0, 5.0)
    assert figures.mean_mbit_per_s == pytest.approx((5 + 3 * 8) / 10)
    assert outage_runs_s(RateSeries("r", [0], [5], S, "test")) == []


def test_lag_correlation_finds_the_delayed_copy():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 10, 300)
    first = CountSeries("first", 1, {"car": values}, "test")
    later = CountSeries("later", 1, {"car": np.append([5] * 7, values)[:250]}, "test")
    other = CountSeries("other", 1, {"car": rng.integers(0, 10, 300)}, "test")
    best = lag_correlations([first, later, other])
    assert (best["first"].other, best["first"].lag_s) == ("later", 7)
    assert (best["later"].other, best["later"].lag_s) == ("first", -7)
    assert best["first"].correlation == pytest.approx(1, abs=1e-6)


def test_lag_correlation_needs_enough_in_common():
    one = CountSeries("one", 1, {"car": np.append(np.arange(50) % 7, np.full(100, -1))}, "test")
    two = CountSeries("two", 1, {"car": np.append(np.full(40, -1), np.arange(110) % 5)}, "test")
    flat = CountSeries("flat", 1, {"car": np.ones(150)}, "test")
    assert lag_correlations([one, two, flat]) == {"one": None, "two": None, "flat": None}
    assert lag_correlations([]) == {}
