"""Counts or loads per node as CSV: ``Time,node1,node2,...``, one row per second or per frame.

The form of OctoCross's ``AIcity.csv`` (vehicles per second), ``factory.csv`` and of its label files ``gt_campus.csv``
and ``AIcity_balance.csv`` (loads after ideal rebalancing).
"""

from __future__ import annotations

import os
from typing import Dict, List, Tuple

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.reading import LARGEST_COUNT, PathLike, expect_columns, provenance, read_table, whole
from octogym.cluster.traces.rules import regular_counts, trailing_zeros_unavailable, without_repeats
from octogym.cluster.traces.series import CountSeries

_LAST_STEP = 10_000_000


def load_aicity(path: PathLike, prefix: str = "", repeats: bool = False) -> Dict[str, CountSeries]:
    """Vehicles per second of ``AIcity.csv``: its repeated columns dropped, zeros after a stream's end unavailable."""
    return load_node_csv(path, "car", 1.0, prefix, repeats=repeats, ended_streams=True)


def load_node_csv(
    path: PathLike,
    kind: str,
    rate_hz: float,
    prefix: str = "",
    repeats: bool = True,
    ended_streams: bool = False,
    long_gap: str = "error",
) -> Dict[str, CountSeries]:
    """Series by name, ``prefix`` before each column's own.

    Args:
        kind: class of the counted objects, for example ``"person"``.
        rate_hz: rows per second: the first column counts rows, not always seconds.
        repeats: keep columns that repeat an earlier one under another name.
        ended_streams: a column's zeros at its end mean that the stream has ended.
        long_gap: see `rules.regular_counts`.

    Raises:
        TraceError: another header, columns missing or too many, anything but whole numbers from 0, time going back.
    """
    nodes, values = _read(path, rate_hz, long_gap)
    source = provenance(path)
    series = {}
    for column, node in enumerate(nodes):
        counts = trailing_zeros_unavailable(values[:, column]) if ended_streams else values[:, column]
        series[prefix + node] = CountSeries(prefix + node, rate_hz, {kind: counts}, f"{source} {node}")
    return series if repeats else without_repeats(series)


def load_labels(path: PathLike, rate_hz: float) -> Dict[str, np.ndarray]:
    """Label arrays, int16 [T], by node: ``gt_campus.csv`` (15 rows per second) or ``AIcity_balance.csv`` (1)."""
    nodes, values = _read(path, rate_hz, "error")
    return {node: values[:, column].astype(np.int16) for column, node in enumerate(nodes)}


def _read(path: PathLike, rate_hz: float, long_gap: str) -> Tuple[List[str], np.ndarray]:
    """Names of the nodes and int64 [T, N]."""
    rows = read_table(path)
    header = rows[0].fields
    if header[0] not in ("Time", "Time(s)") or len(header) < 2:
        raise TraceError(os.fspath(path), 1, f"header begins with {header[0]!r}, expected 'Time,node1,...'")
    nodes = header[1:]
    if "" in nodes or len(set(nodes)) < len(nodes):
        raise TraceError(os.fspath(path), 1, "names of nodes must be distinct and not empty")
    rows = rows[1:]
    expect_columns(path, rows, [len(header)])
    lines = [row.line for row in rows]
    steps = np.array([whole(path, row.line, row.fields[0], header[0], 0, _LAST_STEP) for row in rows], dtype=np.int64)
    values = np.array(
        [
            [whole(path, row.line, text, node, 0, LARGEST_COUNT) for node, text in zip(nodes, row.fields[1:])]
            for row in rows
        ],
        dtype=np.float64,
    )
    return nodes, regular_counts(os.fspath(path), steps, values, rate_hz, lines, long_gap)
