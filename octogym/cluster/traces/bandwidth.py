"""Bandwidth files of the published systems: 1 Hz measurements, 30-second caps, and a node-to-node table."""

from __future__ import annotations

import os
import re

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.reading import (
    PathLike,
    expect_columns,
    json_line,
    number,
    provenance,
    read_json,
    read_table,
    whole,
)
from octogym.cluster.traces.rules import rate_series
from octogym.cluster.traces.series import RateSeries

RATES_HEADER = ["second", "kbit_per_s"]
_LARGEST_BIT_PER_S = 1e15  # what the published table has on its diagonal
CAP_S = 30.0  # the caps come about every 30 s, so the last one is in force for as long


def load_rates_csv(path: PathLike, name: str, long_gap: str = "error") -> RateSeries:
    """``second,kbit_per_s``, about one row per second, under the rules of `rules.rate_series`."""
    rows = read_table(path)
    if rows[0].fields != RATES_HEADER:
        raise TraceError(os.fspath(path), 1, f"header {','.join(rows[0].fields)!r}, expected 'second,kbit_per_s'")
    rows = rows[1:]
    expect_columns(path, rows, [2])
    stamps = [number(path, row.line, row.fields[0], "second") for row in rows]
    rates = [1e3 * number(path, row.line, row.fields[1], "kbit_per_s") for row in rows]
    lines = [row.line for row in rows]
    return rate_series(name, stamps, rates, provenance(path), long_gap=long_gap, file=os.fspath(path), lines=lines)


def load_caps(path: PathLike, name: str) -> RateSeries:
    """``bandwidth_limitsN.json``, ``{"bandwidth_limits": [{"time": s, "mbps": x}, ...]}``: in force until the next."""
    value, text = read_json(path)
    caps = value.get("bandwidth_limits")
    if not isinstance(caps, list) or not caps:
        raise TraceError(os.fspath(path), 1, 'expected {"bandwidth_limits": [{"time": s, "mbps": x}, ...]}')
    for index, cap in enumerate(caps):
        fine = isinstance(cap, dict) and set(cap) == {"time", "mbps"}
        if not fine or any(type(cap[key]) not in (int, float) for key in ("time", "mbps")):
            line = json_line(text, ["bandwidth_limits", index])
            raise TraceError(os.fspath(path), line, f'{cap!r}, expected {{"time": s, "mbps": x}}')
    stamps, rates = [cap["time"] for cap in caps], [1e6 * cap["mbps"] for cap in caps]
    lines = [text.count("\n", 0, match.start()) + 1 for match in re.finditer('"time"', text)]
    source = provenance(path)
    return rate_series(name, stamps, rates, source, CAP_S, np.inf, file=os.fspath(path), lines=lines)


def load_link_table(path: PathLike) -> np.ndarray:
    """``bandwidth.cites``, lines ``i j mbit_per_s`` for all pairs of nodes 1..N.

    Returns:
        float64 [N, N] bit/s, with 0 on the diagonal (the file writes 1e9 Mbit/s there: no link is needed).
    """
    rows = read_table(path, " ")
    expect_columns(path, rows, [3])
    count = round(len(rows) ** 0.5)
    if count * count != len(rows) or count < 2:
        raise TraceError(os.fspath(path), rows[-1].line, f"{len(rows)} lines, expected one for each of N x N pairs")
    table = np.full((count, count), np.nan)
    for row in rows:
        i, j = (whole(path, row.line, text, "node", 1, count) - 1 for text in row.fields[:2])
        if not np.isnan(table[i, j]):
            raise TraceError(os.fspath(path), row.line, f"the pair {i + 1} {j + 1} stands twice")
        table[i, j] = 1e6 * number(path, row.line, row.fields[2], "bandwidth")
        if not 1 <= table[i, j] <= _LARGEST_BIT_PER_S:
            problem = f"bandwidth = {row.fields[2]}, expected a number from 1e-06 to {_LARGEST_BIT_PER_S / 1e6:g}"
            raise TraceError(os.fspath(path), row.line, problem)
    np.fill_diagonal(table, 0.0)
    return table


def node_rates(table: np.ndarray) -> np.ndarray:
    """Per-node link rates b, float64 [N] bit/s, of a table w with w_ij = sqrt(b_i b_j), fitted to the logarithms.

    The published table is made of such rates (docs/traces.md).

    Raises:
        ValueError: fewer than 3 nodes, or an entry that is off by more than 1 %: the table is not made of such rates.
    """
    count = len(table)
    if count < 3:
        raise ValueError(f"{count} nodes: the rates of fewer than 3 cannot be told apart")
    logs = np.log(table + np.eye(count))
    means = logs.sum(axis=1) / (count - 1)
    # With a = log b: sum over j != i of (a_i + a_j) / 2 = (count - 1) means_i, so (count - 2) a_i + sum(a) is known.
    total = means.sum()
    rates = np.exp((2 * (count - 1) * means - total) / (count - 2))
    off = np.abs(np.sqrt(np.outer(rates, rates)) - table) > 0.01 * table
    np.fill_diagonal(off, False)
    if off.any():
        i, j = np.argwhere(off)[0] + 1
        raise ValueError(f"the entry {i} {j} is not the geometric mean of one rate per node")
    return rates
