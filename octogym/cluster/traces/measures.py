"""Figures of one series or a group: mean, variance, autocorrelation, lag correlation between cameras, outages."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from octogym.cluster.traces.rules import resample
from octogym.cluster.traces.series import NS, CountSeries, RateSeries

LAGS_S = (1, 5, 30)
_LARGEST_LAG_S = 30
_FEWEST_PAIRS = 60


class LagCorrelation(NamedTuple):
    """The camera whose counts are most like this one's some seconds earlier or later.

    Attributes:
        other: its name.
        lag_s: this one's counts at t go with the other's at t + ``lag_s``.
        correlation: Pearson's.
    """

    other: str
    lag_s: int
    correlation: float


class CountFigures(NamedTuple):
    """Figures of the objects of all classes together, over the samples where the stream is available.

    Attributes:
        duration_s: length, unavailable samples included.
        available: share of samples.
        mean, variance, peak: objects per sample.
        autocorrelation: by lag in `LAGS_S`; NaN for constant series and lags beyond half their length.
    """

    duration_s: float
    available: float
    mean: float
    variance: float
    peak: int
    autocorrelation: Dict[int, float]


class RateFigures(NamedTuple):
    """Figures of a bandwidth series, seen once per second.

    Attributes:
        mean_mbit_per_s, median_mbit_per_s, peak_mbit_per_s: rates.
        variation: standard deviation over mean.
        autocorrelation: by lag in `LAGS_S`.
        outage_share: of the time.
        outages: how many.
        outage_mean_s, outage_longest_s: their length; 0 without any.
    """

    duration_s: float
    mean_mbit_per_s: float
    median_mbit_per_s: float
    peak_mbit_per_s: float
    variation: float
    autocorrelation: Dict[int, float]
    outage_share: float
    outages: int
    outage_mean_s: float
    outage_longest_s: float


def autocorrelation(values: np.ndarray, lag: int) -> float:
    """Of a series [T] around its mean; NaN where it is constant or shorter than twice the lag."""
    centred = np.asarray(values, dtype=np.float64) - np.mean(values)
    power = float((centred**2).mean())
    if power < 1e-12 or len(centred) < 2 * lag:
        return float("nan")
    return float((centred[:-lag] * centred[lag:]).mean() / power)


def count_figures(series: CountSeries) -> CountFigures:
    available = series.available
    if not available.any():
        return CountFigures(series.duration_s, 0.0, 0.0, 0.0, 0, {lag: float("nan") for lag in LAGS_S})
    values = series.total()[available].astype(np.float64)
    lags = {lag: autocorrelation(values, max(1, round(lag * series.rate_hz))) for lag in LAGS_S}
    share = float(available.mean())
    return CountFigures(series.duration_s, share, float(values.mean()), float(values.var()), int(values.max()), lags)


def rate_figures(series: RateSeries) -> RateFigures:
    seconds = np.arange(max(1, series.end_ns // NS)) * NS
    rates = series.at(seconds) / 1e6
    lags = {lag: autocorrelation(rates, lag) for lag in LAGS_S}
    runs = outage_runs_s(series)
    mean = series.mean_bit_per_s / 1e6
    return RateFigures(
        series.duration_s,
        mean,
        float(np.median(rates)),
        float(series.bit_per_s.max()) / 1e6,
        float(rates.std() / mean) if mean > 0 else float("nan"),
        lags,
        float(sum(runs)) / series.duration_s,
        len(runs),
        float(np.mean(runs)) if runs else 0.0,
        float(max(runs)) if runs else 0.0,
    )


def outage_runs_s(series: RateSeries) -> List[float]:
    """Length of each outage in seconds, in order."""
    out = np.concatenate([[0], (series.bit_per_s == 0).astype(np.int8), [0]])
    edges = np.append(series.t_ns, series.end_ns)
    begins, ends = np.flatnonzero(np.diff(out) == 1), np.flatnonzero(np.diff(out) == -1)
    return [float(length) / NS for length in edges[ends] - edges[begins]]


def lag_correlations(group: Sequence[CountSeries]) -> Dict[str, Optional[LagCorrelation]]:
    """For every camera of a group on one clock its most alike partner within 30 s, at 1 Hz; None without one."""
    sampled = [resample(series, 1.0) for series in group]
    length = max((len(series) for series in sampled), default=0)
    values, there = np.zeros((len(group), length)), np.zeros((len(group), length))
    for row, series in enumerate(sampled):
        there[row, : len(series)] = series.available
        values[row, : len(series)] = np.where(series.available, series.total(), 0)
    best = np.full((len(group), len(group)), -np.inf)
    best_lag = np.zeros((len(group), len(group)), dtype=np.int64)
    for lag in range(min(_LARGEST_LAG_S, max(0, length - 1)) + 1):
        found = _correlation(values[:, : length - lag], there[:, : length - lag], values[:, lag:], there[:, lag:])
        # found[i, j]: i at t with j at t + lag; its transpose is j at t with i at t - lag.
        for matrix, sign in ((found, 1), (found.T, -1)):
            better = matrix > best
            best, best_lag = np.where(better, matrix, best), np.where(better, sign * lag, best_lag)
    np.fill_diagonal(best, -np.inf)
    result: Dict[str, Optional[LagCorrelation]] = {}
    for row, series in enumerate(group):
        column = int(np.argmax(best[row]))
        known = np.isfinite(best[row, column])
        partner = LagCorrelation(group[column].name, int(best_lag[row, column]), float(best[row, column]))
        result[series.name] = partner if known else None
    return result


def _correlation(x: np.ndarray, has_x: np.ndarray, y: np.ndarray, has_y: np.ndarray) -> np.ndarray:
    """Pearson's between all rows [N, T] of x and of y over the samples that both have; -inf where it is undefined."""
    count = has_x @ has_y.T
    sum_x, sum_y = x @ has_y.T, has_x @ y.T
    square_x, square_y = (x * x) @ has_y.T, has_x @ (y * y).T
    pairs = np.maximum(count, 1)
    covariance = x @ y.T / pairs - sum_x * sum_y / pairs**2
    spread = (square_x / pairs - (sum_x / pairs) ** 2) * (square_y / pairs - (sum_y / pairs) ** 2)
    defined = (count >= _FEWEST_PAIRS) & (spread > 1e-9)
    return np.where(defined, covariance / np.sqrt(np.where(defined, spread, 1.0)), -np.inf)
