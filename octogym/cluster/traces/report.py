"""Compares synthetic with measured traces, figure by figure, so that a reader sees where they differ."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from octogym.cluster.traces.measures import LAGS_S, count_figures, lag_correlations, rate_figures
from octogym.cluster.traces.series import CountSeries, RateSeries, Series
from octogym.cluster.traces.trace_set import TraceSet

# Prefix of the names -> how the report calls the group.
GROUPS = {
    "campus/s01/": "campus, persons at 15/s",
    "aicity/": "AI City, vehicles at 1/s",
    "fcpo/": "FCPO streams at 30/s",
    "5g/static-": "5G, static, 1 Hz",
    "5g/moving-": "5G, moving, 1 Hz",
}
_ONE_CLOCK = ("campus/s01/", "aicity/")  # cameras that run at the same time, so that they can be correlated
_FRACTION = 0.25  # differences beyond this share of the measured figure are marked
_ABSOLUTE = 0.1  # and, for figures that are correlations or shares, beyond this


class Line(NamedTuple):
    """One figure of a group: the median over its series, measured and synthetic.

    Attributes:
        group, figure, unit: what it is.
        real, synthetic: medians; None where nothing is known.
        real_range, synthetic_range: least and greatest of the series.
        differs: by more than 25 % (correlations and shares: 0.1).
    """

    group: str
    figure: str
    unit: str
    real: Optional[float]
    real_range: Optional[Tuple[float, float]]
    synthetic: Optional[float]
    synthetic_range: Optional[Tuple[float, float]]
    differs: Optional[bool]


def compare(synthetic: TraceSet, real: Optional[TraceSet]) -> List[Line]:
    """Lines for every group; without ``real`` its columns are None.

    Only names that both sets have are compared, and the longer series is cut to the length of the other, because the
    autocorrelation of a short series is biased.
    """
    lines: List[Line] = []
    for prefix, title in GROUPS.items():
        names = [name for name in synthetic if name.startswith(prefix) and (real is None or name in real)]
        ends_s = {name: min(one[name].duration_s for one in (synthetic, real) if one is not None) for name in names}
        clock = prefix in _ONE_CLOCK
        ours = _figures([synthetic[name].cut(0, ends_s[name]) for name in names], clock)
        theirs = {} if real is None else _figures([real[name].cut(0, ends_s[name]) for name in names], clock)
        for (figure, unit), values in ours.items():
            lines.append(_line(title, figure, unit, theirs.get((figure, unit), []), values))
    return lines


def _figures(group: Sequence[Series], one_clock: bool) -> Dict[Tuple[str, str], List[float]]:
    """(figure, unit) -> one value per series; NaN where a series has none."""
    table: Dict[Tuple[str, str], List[float]] = {}

    def put(figure: str, unit: str, value: float) -> None:
        table.setdefault((figure, unit), []).append(value)

    counts = [series for series in group if isinstance(series, CountSeries)]
    partners = lag_correlations(counts) if one_clock else {}
    for series in group:
        if isinstance(series, RateSeries):
            rate = rate_figures(series)
            put("mean", "Mbit/s", rate.mean_mbit_per_s)
            put("median", "Mbit/s", rate.median_mbit_per_s)
            put("peak", "Mbit/s", rate.peak_mbit_per_s)
            put("deviation / mean", "ratio", rate.variation)
            _lags(put, rate.autocorrelation)
            put("time in outage", "share", rate.outage_share)
            put("outages per hour", "1/h", 3600 * rate.outages / rate.duration_s)
            put("mean outage", "s", rate.outage_mean_s)
            put("longest outage", "s", rate.outage_longest_s)
        elif isinstance(series, CountSeries):
            count = count_figures(series)
            put("mean", "objects", count.mean)
            put("variance / mean", "ratio", count.variance / count.mean if count.mean > 0 else math.nan)
            put("peak", "objects", float(count.peak))
            _lags(put, count.autocorrelation)
            put("available", "share", count.available)
            if one_clock:
                partner = partners[series.name]
                put("best lag correlation", "correlation", math.nan if partner is None else partner.correlation)
                put("its lag", "s", math.nan if partner is None else abs(partner.lag_s))
    return table


def _lags(put: Any, values: Mapping[int, float]) -> None:
    for lag in LAGS_S:
        put(f"autocorrelation {lag} s", "correlation", values[lag])


def _line(title: str, figure: str, unit: str, real: List[float], synthetic: List[float]) -> Line:
    line = Line(title, figure, unit, _middle(real), _range(real), _middle(synthetic), _range(synthetic), None)
    return line._replace(differs=differs(line))


def differs(line: Line) -> Optional[bool]:
    """Whether the two medians are further apart than the bound; None where one is unknown."""
    if line.real is None or line.synthetic is None:
        return None
    bound = _ABSOLUTE if line.unit in ("share", "correlation") else _FRACTION * abs(line.real)
    return abs(line.synthetic - line.real) > bound


def _middle(values: Sequence[float]) -> Optional[float]:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else None


def _range(values: Sequence[float]) -> Optional[Tuple[float, float]]:
    known = [value for value in values if not math.isnan(value)]
    return (float(min(known)), float(max(known))) if known else None


def as_json(lines: Sequence[Line], seed: int, real: Optional[TraceSet], synthetic: TraceSet) -> Dict[str, Any]:
    """The report as plain data, with the content hashes of both sets."""
    return {
        "seed": seed,
        "real_sha256": None if real is None else real.sha256,
        "synthetic_sha256": synthetic.sha256,
        "lines": [line._asdict() for line in lines],
    }


def as_markdown(lines: Sequence[Line]) -> str:
    """One table per group: median (least to greatest) over its series; figures that differ are marked."""
    text: List[str] = []
    for title in dict.fromkeys(line.group for line in lines):
        text += ["", f"### {title}", "", "| figure | real | synthetic | |", "|---|---|---|---|"]
        for line in lines:
            if line.group == title:
                unit = "" if line.unit in ("ratio", "share", "correlation") else f", {line.unit}"
                mark = "differs" if line.differs else ""
                real, synthetic = _cell(line.real, line.real_range), _cell(line.synthetic, line.synthetic_range)
                text.append(f"| {line.figure}{unit} | {real} | {synthetic} | {mark} |")
    return "\n".join(text).strip() + "\n"


def _cell(value: Optional[float], limits: Optional[Tuple[float, float]]) -> str:
    if value is None or limits is None:
        return "-"
    return f"{value:.3g} ({limits[0]:.3g} to {limits[1]:.3g})"
