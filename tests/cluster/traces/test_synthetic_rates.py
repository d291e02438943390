"""Synthetic bandwidth: mean, outages, memory."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.traces.measures import rate_figures
from octogym.cluster.traces.rules import OUTAGE_BIT_PER_S
from octogym.cluster.traces.synthetic_rates import MOVING, STATIC, synthetic_rates

LONG_S = 20_000


@pytest.mark.parametrize(("radio", "mean"), [(STATIC, 40), (STATIC, 120), (MOVING, 8), (MOVING, 40)])
def test_mean_outages_and_memory(radio, mean):
    figures = rate_figures(synthetic_rates("x", radio, mean, LONG_S, 1))
    assert figures.mean_mbit_per_s == pytest.approx(mean, rel=0.2)
    assert 0.02 < figures.outage_share < 0.12
    assert 1.1 < figures.outage_mean_s < 2.5
    assert figures.outage_longest_s > 5
    assert 0.5 < figures.autocorrelation[1] < 0.95
    assert figures.autocorrelation[30] < 0.5


def test_rates_are_whole_kbit_and_never_between_outage_and_threshold():
    series = synthetic_rates("x", MOVING, 30, 2000, 1)
    assert (np.diff(series.t_ns) == 10**9).all()
    assert (series.bit_per_s % 1000 == 0).all()
    assert ((series.bit_per_s == 0) | (series.bit_per_s >= OUTAGE_BIT_PER_S)).all()
    assert series.bit_per_s.max() <= MOVING.ceiling * 1e6


def test_more_outages_on_request():
    few, many = (rate_figures(synthetic_rates("x", STATIC, 60, LONG_S, 1, outage)) for outage in (1.0, 3.0))
    assert many.outage_share > 1.8 * few.outage_share


def test_names_and_seeds_differ():
    one = synthetic_rates("x", STATIC, 60, 100, 1).bit_per_s.tolist()
    assert one == synthetic_rates("x", STATIC, 60, 100, 1).bit_per_s.tolist()
    assert one != synthetic_rates("y", STATIC, 60, 100, 1).bit_per_s.tolist()
    assert one != synthetic_rates("x", STATIC, 60, 100, 2).bit_per_s.tolist()
