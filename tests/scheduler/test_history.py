"""The last minute of one environment."""

from __future__ import annotations

import numpy as np

from octogym.scheduler.history import History

from .tiny import feed


def test_rates_are_means_over_their_span():
    history = History()
    feed(history, 100, lambda t: np.array([t, 7]))
    assert history.rates(15).tolist() == [93.0, 7.0]  # seconds 86 to 100
    assert history.rates(60).tolist() == [70.5, 7.0]
    assert history.peak_rates().tolist() == [93.0, 7.0]


def test_before_a_span_has_passed_what_has_passed_counts():
    history = History()
    feed(history, 0, lambda t: np.array([5]))
    assert not history.knows_rates
    history = History()
    feed(history, 10, lambda t: np.array([5]))
    assert history.knows_rates and history.rates(60).tolist() == [5.0]


def test_a_burst_is_seen_by_the_short_span_and_forgotten_after_a_minute():
    history = History()
    feed(history, 100, lambda t: np.array([300 if t == 95 else 0]))
    assert history.peak_rates().tolist() == [20.0]
    history = History()
    feed(history, 156, lambda t: np.array([300 if t == 95 else 0]))
    assert history.peak_rates().tolist() == [0.0]


def test_bandwidth_is_the_mean_of_the_last_minute():
    history = History()
    feed(history, 100, lambda t: np.array([0]))
    assert history.bandwidth().tolist() == [70.0, 70.0]  # seconds 40 to 100
