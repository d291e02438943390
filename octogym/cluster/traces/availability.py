"""When devices are there: a table of times and, per device, whether it is present from then on."""

from __future__ import annotations

import os
from typing import Dict, List

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.reading import PathLike, expect_columns, number, provenance, read_table
from octogym.cluster.traces.series import NS, AvailabilitySeries

#: What the first column is called; the others are devices.
PRESENT_AT = "present_at_s"
#: Times that nanoseconds can hold, those since 1970 included.
_LATEST_S = 4e9


def load_availability(path: PathLike, prefix: str = "") -> Dict[str, AvailabilitySeries]:
    """``present_at_s,node1,node2,...`` with 1 (there) or 0 (away) per device, in force until the next row.

    Rows may come at any times that increase: every second, or wherever something changes. The first row's time is
    moved to 0; the last row's time is the end of the series, and its values must be those of the row before, as no
    change takes place there.

    Returns:
        Series by ``prefix`` and device.

    Raises:
        TraceError: with file and line.
    """
    rows = read_table(path)
    file, names = os.fspath(path), rows[0].fields[1:]
    if rows[0].fields[0] != PRESENT_AT or not names or not all(names):
        raise TraceError(file, 1, f"header {','.join(rows[0].fields)!r}, expected '{PRESENT_AT},DEVICE,...'")
    for name in names:
        if names.count(name) > 1:
            raise TraceError(file, 1, f"the device {name!r} stands twice")
    expect_columns(path, rows, [len(names) + 1])
    rows = rows[1:]
    if len(rows) < 2:
        raise TraceError(file, len(rows) + 1, "expected at least two rows, the first and the end")
    stamps: List[int] = []
    present = np.ones((len(rows), len(names)), dtype=bool)
    for k, row in enumerate(rows):
        second = number(path, row.line, row.fields[0], PRESENT_AT)
        if not 0 <= second <= _LATEST_S:
            raise TraceError(file, row.line, f"{PRESENT_AT} = {row.fields[0]!r}, expected 0 to {_LATEST_S:.0f}")
        stamps.append(round(second * NS))
        if k and stamps[k] <= stamps[k - 1]:
            raise TraceError(file, row.line, f"{PRESENT_AT} = {row.fields[0]!r}, expected later than the row before")
        for n, text in enumerate(row.fields[1:]):
            if text not in ("0", "1"):
                raise TraceError(file, row.line, f"{names[n]} = {text!r}, expected 1 (there) or 0 (away)")
            present[k, n] = text == "1"
    changed = np.flatnonzero(present[-1] != present[-2])
    if len(changed):
        problem = f"{names[changed[0]]} changes in the last row, which is the end; expected one more row"
        raise TraceError(file, rows[-1].line, problem)
    t_ns = np.array(stamps, np.int64) - stamps[0]
    source = provenance(path)
    return {
        prefix + name: AvailabilitySeries(prefix + name, _absences(t_ns, present[:, n]), int(t_ns[-1]), source)
        for n, name in enumerate(names)
    }


def _absences(t_ns: np.ndarray, present: np.ndarray) -> np.ndarray:
    """int64 [K, 2]: where `present` is False, row by row until the next."""
    away = np.concatenate([[False], ~present[:-1], [False]])
    edges = np.flatnonzero(away[1:] != away[:-1])
    return t_ns[edges].reshape(-1, 2)
