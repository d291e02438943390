"""A seeded set of synthetic traces under the names of the measured ones: no download, and no data of others."""

from __future__ import annotations

from functools import lru_cache
from typing import Dict

import numpy as np

from octogym.cluster.traces.draw import Draws
from octogym.cluster.traces.rules import outages
from octogym.cluster.traces.series import NS, CountSeries, RateSeries
from octogym.cluster.traces.sites import SITES
from octogym.cluster.traces.synthetic_counts import synthetic_counts
from octogym.cluster.traces.synthetic_rates import MOVING, STATIC, synthetic_rates
from octogym.cluster.traces.trace_set import TraceSet

KINDS = ("typical", "bursty", "day")

# Means in Mbit/s of the published caps 1 to 20: static devices, then moving ones (FCPO's repository).
_MEANS = (54, 80, 58, 41, 48, 123, 60, 74, 98, 73, 26, 45, 37, 11, 30, 7, 29, 53, 44, 25)
_FIRST_CAP = 50_000_000  # every published cap file begins with a minute of it
_CAP_S = 30
_NODES = 16


def synthetic_set(seed: int = 0, kind: str = "typical") -> TraceSet:
    """Count and bandwidth series for every name of `load_real`, and for the published names missing there.

    The same seed gives the same bytes in every process. The set is made once per process.

    Args:
        seed: from 0.
        kind: ``"typical"`` follows the measured means and variances; ``"bursty"`` has twice the variance of visitors
            and twice the outages; ``"day"`` puts a whole day, night to rush hour, into the length of each series.

    Raises:
        ValueError: seed or kind is none of these.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: expected one of {', '.join(KINDS)}")
    if seed < 0:
        raise ValueError(f"seed = {seed}: expected a number from 0")
    return _synthetic_set(int(seed), kind)


@lru_cache(maxsize=8)
def _synthetic_set(seed: int, kind: str) -> TraceSet:
    counts: Dict[str, CountSeries] = {}
    for site in SITES:
        day_s = site.duration_s if kind == "day" else None
        counts.update(synthetic_counts(site, seed, 2.0 if kind == "bursty" else 1.0, day_s))
    rates: Dict[str, RateSeries] = {}
    zero = np.zeros(1, dtype=np.int64)
    rates["5g-30s/0"] = RateSeries("5g-30s/0", zero, zero + _FIRST_CAP, _CAP_S * NS, "constant")
    for number, mean in enumerate(_MEANS, 1):
        name = f"5g/static-{number:02d}" if number <= 10 else f"5g/moving-{number:02d}"
        duration_s = 1800 + int(800 * Draws(seed, f"{name} duration").take(1)[0])
        radio = STATIC if number <= 10 else MOVING
        rates[name] = synthetic_rates(name, radio, mean, duration_s, seed, 2.0 if kind == "bursty" else 1.0)
        rates[f"5g-30s/{number}"] = _caps(rates[name], f"5g-30s/{number}")
    for node in range(1, _NODES + 1):
        # As published: the link of a node has the first measured cap of trace 1 to 9.
        cap = rates[f"5g-30s/{1 + (node - 1) % 9}"]
        name = f"campus/links/node{node}"
        rate = max(1_000_000, int(cap.bit_per_s[1]))
        rates[name] = RateSeries(name, zero, zero + rate, NS, f"{cap.source}; second cap")
    return TraceSet(counts, rates)


def _caps(series: RateSeries, name: str) -> RateSeries:
    """The published coarse form: 50 Mbit/s for a minute, then the mean of every 30 s."""
    whole = len(series) // _CAP_S
    means = series.bit_per_s[: whole * _CAP_S].reshape(whole, _CAP_S).mean(axis=1)
    rates = np.append(_FIRST_CAP, outages(means))
    t_ns = np.append(0, 60 + _CAP_S * np.arange(whole)) * NS
    return RateSeries(name, t_ns, rates, int(t_ns[-1]) + _CAP_S * NS, f"{series.source}; {_CAP_S} s means")
