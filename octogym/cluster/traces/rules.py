"""What becomes of imperfect measurements: the one place for the rules of docs/traces.md.

Duplicate stamps: their mean. Gaps up to ``MAX_GAP_S``: the last value holds; longer ones are an error, or, on request,
an outage (bandwidth) or an unavailable stream (counts). Bandwidth below ``OUTAGE_BIT_PER_S``: outage, 0. Zeros at the
end of an AI City stream: unavailable. Another rate: every n-th value, or the held one, labels with their data.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Dict, Iterable, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.series import NS, UNAVAILABLE, CountSeries, RateSeries

MAX_GAP_S = 15.0
# A frame of 150 kB takes 12 s at 100 kbit/s, so nothing arrives in time. The measured 5G rates lie below it for 3 to
# 11 % of the time.
OUTAGE_BIT_PER_S = 100_000
_LARGEST_STAMP = 1e9  # seconds: 30 years
END_RULES = ("unavailable", "loop", "error")


def merge_duplicates(stamps: np.ndarray, values: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Distinct ascending ``stamps`` [K] and the mean of the ``values`` [T, ...] at each, float64 [K, ...]."""
    distinct, at, count = np.unique(stamps, return_inverse=True, return_counts=True)
    sums = np.zeros((len(distinct), *values.shape[1:]))
    np.add.at(sums, at.reshape(-1), values)
    return distinct, sums / count.reshape((-1,) + (1,) * (values.ndim - 1))


def check_stamps(file: object, stamps: np.ndarray, lines: Optional[Sequence[int]] = None) -> None:
    """Refuses stamps that are no numbers of a sane size, do not begin at 0 or go back."""

    def line(index: int) -> Optional[int]:
        return None if lines is None else int(lines[index])

    if len(stamps) == 0:
        raise TraceError(file, None, "no rows of data")
    sane = np.abs(stamps) < _LARGEST_STAMP  # False for NaN as well
    if not sane.all():
        raise TraceError(file, line(int(np.argmin(sane))), f"time is no number below {_LARGEST_STAMP:g}")
    if stamps[0] != 0:
        raise TraceError(file, line(0), f"the first time is {stamps[0]:g}, expected 0: is the beginning missing?")
    back = np.diff(stamps) < 0
    if back.any():
        at = int(np.argmax(back)) + 1
        raise TraceError(file, line(at), f"time goes back from {stamps[at - 1]:g} to {stamps[at]:g}")


def _check_gap(
    file: object,
    stamps: np.ndarray,
    distinct: np.ndarray,
    limit: float,
    rule: str,
    other: str,
    lines: Optional[Sequence[int]],
) -> np.ndarray:
    """bool [K - 1]: which gaps between distinct stamps exceed ``limit``; an error under the rule ``"error"``."""
    if rule not in ("error", other):
        raise ValueError(f"long_gap = {rule!r}: expected 'error' or {other!r}")
    wide = np.diff(distinct) > limit
    if wide.any() and rule == "error":
        after = distinct[int(np.argmax(wide)) + 1]
        line = None if lines is None else int(lines[int(np.argmax(stamps == after))])
        gap = distinct[int(np.argmax(wide)) + 1] - distinct[int(np.argmax(wide))]
        raise TraceError(file, line, f"gap of {gap:g} before {after:g}, at most {limit:g} is held")
    return wide


def outages(bit_per_s: np.ndarray) -> np.ndarray:
    """Whole bit/s, int64, with 0 where the rate is below ``OUTAGE_BIT_PER_S``."""
    rates = np.rint(np.asarray(bit_per_s, dtype=np.float64)).astype(np.int64)
    return np.where(rates < OUTAGE_BIT_PER_S, 0, rates)


def rate_series(
    name: str,
    stamps_s: Sequence[float],
    bit_per_s: Sequence[float],
    source: str,
    last_s: float = 1.0,
    max_gap_s: float = MAX_GAP_S,
    long_gap: str = "error",
    file: object = None,
    lines: Optional[Sequence[int]] = None,
) -> RateSeries:
    """A bandwidth series from stamped measurements.

    Args:
        stamps_s: seconds [T], the first 0, never going back.
        bit_per_s: rates [T], finite, not negative.
        last_s: for how long the last value is in force.
        long_gap: after ``max_gap_s`` without a value: ``"error"``, or ``"outage"`` until the next value.
        file, lines: what errors name: the file and each row's line number.
    """
    where = name if file is None else file
    stamps, rates = np.asarray(stamps_s, dtype=np.float64), np.asarray(bit_per_s, dtype=np.float64)
    check_stamps(where, stamps, lines)
    bad = ~(np.isfinite(rates) & (rates >= 0) & (rates < 2**62))
    if bad.any():
        at = int(np.argmax(bad))
        line = None if lines is None else int(lines[at])
        raise TraceError(where, line, f"rate {rates[at]:g} bit/s, expected a finite number, not negative")
    distinct, means = merge_duplicates(stamps, rates)
    wide = _check_gap(where, stamps, distinct, max_gap_s, long_gap, "outage", lines)
    begins = np.append(distinct, distinct[:-1][wide] + max_gap_s)
    values = np.append(outages(means), np.zeros(int(wide.sum()), dtype=np.int64))
    order = np.argsort(begins, kind="stable")
    t_ns = np.rint(begins[order] * NS).astype(np.int64)
    return RateSeries(name, t_ns, values[order], int(t_ns[-1]) + round(last_s * NS), source)


def regular_counts(
    file: object,
    steps: np.ndarray,
    values: np.ndarray,
    rate_hz: float,
    lines: Optional[Sequence[int]] = None,
    long_gap: str = "error",
) -> np.ndarray:
    """int64 [T, N], one row per step, from rows ``values`` [K, N] at whole ``steps`` [K] that may repeat or be missing.

    After ``MAX_GAP_S`` without a row: ``"error"``, or ``"unavailable"`` until the next row.
    """
    check_stamps(file, steps, lines)
    distinct, means = merge_duplicates(steps, values)
    limit = MAX_GAP_S * rate_hz
    wide = _check_gap(file, steps, distinct, limit, long_gap, "unavailable", lines)
    grid = np.arange(int(distinct[-1]) + 1)
    held = np.searchsorted(distinct, grid, side="right") - 1
    rows = np.floor(means + 0.5).astype(np.int64)[held]
    too_old = np.append(wide, False)[held] & (grid - distinct[held] >= limit)
    rows[too_old] = UNAVAILABLE
    return rows


def trailing_zeros_unavailable(values: np.ndarray) -> np.ndarray:
    """A copy of the counts [T] whose zeros after the last object read ``UNAVAILABLE``: the stream has ended there."""
    result = np.array(values)
    seen = np.flatnonzero(result > 0)
    result[seen[-1] + 1 if len(seen) else 0 :] = UNAVAILABLE
    return result


def without_repeats(series: Mapping[str, CountSeries], known: Iterable[CountSeries] = ()) -> Dict[str, CountSeries]:
    """The streams of which at least one class is new; a published file may hold the same stream under several names.

    A stream goes if each of its classes equals that class of an earlier stream (of ``known`` or of the mapping), be it
    of different ones.
    """
    seen = {(kind, values.tobytes()) for other in known for kind, values in other.counts.items()}
    kept = {}
    for name, one in series.items():
        contents = {(kind, values.tobytes()) for kind, values in one.counts.items()}
        if not contents <= seen:
            kept[name] = one
        seen |= contents
    return kept


def with_labels(series: CountSeries, name: str, labels: np.ndarray) -> CountSeries:
    """The series with one more label array [T] of its own rate."""
    if len(labels) != len(series):
        raise TraceError(series.name, None, f"{len(labels)} labels {name!r} for {len(series)} samples")
    return CountSeries(series.name, series.rate_hz, series.counts, series.source, {**series.labels, name: labels})


def resample(series: CountSeries, rate_hz: float) -> CountSeries:
    """The series at another rate: sample k is the value in force at k / ``rate_hz``; labels likewise.

    From 30 to 15 per second that is every second value; from 1 to 15 each value is held for 15.
    """
    old, new = (Fraction(rate).limit_denominator(10_000) for rate in (series.rate_hz, rate_hz))
    if new <= 0:
        raise ValueError(f"rate_hz = {rate_hz}: expected a positive number")
    if old == new:
        return series
    ratio = old / new
    count = -(-len(series) * ratio.denominator // ratio.numerator)
    index = np.arange(count) * ratio.numerator // ratio.denominator
    return _pick(series, rate_hz, index, f"resampled to {rate_hz:g}/s")


def extend(
    series: Union[CountSeries, RateSeries], horizon_s: float, end: str, start_s: float = 0.0
) -> Union[CountSeries, RateSeries]:
    """The series from ``start_s`` for ``horizon_s`` seconds, whatever its own length.

    Args:
        end: after its last sample it is ``"unavailable"`` (bandwidth: an outage), begins anew (``"loop"``),
            or that is an ``"error"``.
    """
    if end not in END_RULES:
        raise ValueError(f"end = {end!r}: expected one of {', '.join(END_RULES)}")
    stop_s = start_s + horizon_s
    if stop_s > series.duration_s + 1e-9:
        if end == "error":
            raise TraceError(series.name, None, f"ends after {series.duration_s:g} s, but {stop_s:g} s are needed")
        series = (
            _lengthen_counts(series, stop_s, end)
            if isinstance(series, CountSeries)
            else _lengthen_rates(series, stop_s, end)
        )
    return series.cut(start_s, stop_s)


def _lengthen_counts(series: CountSeries, stop_s: float, end: str) -> CountSeries:
    index = np.arange(int(np.ceil(stop_s * series.rate_hz - 1e-6)))
    index = index % len(series) if end == "loop" else np.where(index < len(series), index, -1)
    return _pick(series, series.rate_hz, index, end)


def _lengthen_rates(series: RateSeries, stop_s: float, end: str) -> RateSeries:
    source = f"{series.source}; {end}"
    if end == "unavailable":
        t_ns, rates = np.append(series.t_ns, series.end_ns), np.append(series.bit_per_s, 0)
        return RateSeries(series.name, t_ns, rates, max(round(stop_s * NS), series.end_ns + 1), source)
    rounds = -(-round(stop_s * NS) // series.end_ns)
    t_ns = (np.arange(rounds)[:, None] * series.end_ns + series.t_ns).ravel()
    return RateSeries(series.name, t_ns, np.tile(series.bit_per_s, rounds), rounds * series.end_ns, source)


def _pick(series: CountSeries, rate_hz: float, index: np.ndarray, note: str) -> CountSeries:
    """The samples at ``index`` (-1: unavailable) of counts and labels."""

    def take(values: np.ndarray) -> np.ndarray:
        return np.where(index < 0, UNAVAILABLE, values[index]).astype(np.int16)

    return CountSeries(
        series.name,
        rate_hz,
        {key: take(values) for key, values in series.counts.items()},
        f"{series.source}; {note}",
        {key: take(values) for key, values in series.labels.items()},
    )
