"""Traces: the measured or generated series that drive a cluster, their rules, loaders and generator."""

from octogym.cluster.traces.formats import load
from octogym.cluster.traces.real import find_data, load_real
from octogym.cluster.traces.rules import extend, resample
from octogym.cluster.traces.series import (
    UNAVAILABLE,
    AvailabilitySeries,
    CountSeries,
    RateSeries,
)
from octogym.cluster.traces.sites import random_site
from octogym.cluster.traces.synthetic import synthetic_set
from octogym.cluster.traces.synthetic_counts import synthetic_counts
from octogym.cluster.traces.trace_set import TraceSet

__all__ = [
    "UNAVAILABLE",
    "AvailabilitySeries",
    "CountSeries",
    "RateSeries",
    "TraceSet",
    "extend",
    "find_data",
    "load",
    "load_real",
    "random_site",
    "resample",
    "synthetic_counts",
    "synthetic_set",
]
