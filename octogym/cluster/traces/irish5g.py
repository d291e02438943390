"""The Irish 5G measurements (Raca et al., MMSys 2020): one CSV per drive or stay, about one row per second."""

from __future__ import annotations

import os
from datetime import datetime

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.reading import PathLike, expect_columns, number, provenance, read_table
from octogym.cluster.traces.rules import rate_series
from octogym.cluster.traces.series import RateSeries

_STAMP = "%Y.%m.%d_%H.%M.%S"
_COLUMN = {"down": "DL_bitrate", "up": "UL_bitrate"}


def load_irish5g(path: PathLike, name: str, direction: str = "down", long_gap: str = "error") -> RateSeries:
    """Bandwidth from the columns ``Timestamp`` and ``DL_bitrate`` or ``UL_bitrate`` (kbit/s).

    A row whose bitrate is missing (``-``) counts as a gap; time 0 is the first row that has one.

    Args:
        direction: ``"down"`` or ``"up"``.
        long_gap: see `rules.rate_series`.

    Raises:
        TraceError: another header, columns missing or too many, stamps that are none or go back, negative rates.
    """
    if direction not in _COLUMN:
        raise ValueError(f"direction = {direction!r}: expected 'down' or 'up'")
    rows = read_table(path, ends_with_newline=False)
    header = rows[0].fields
    wanted = ("Timestamp", _COLUMN[direction])
    if any(header.count(column) != 1 for column in wanted):
        raise TraceError(os.fspath(path), 1, f"expected the columns {' and '.join(wanted)} in the header, each once")
    stamp_at, rate_at = (header.index(column) for column in wanted)
    expect_columns(path, rows, [len(header)])
    stamps, rates, lines = [], [], []
    for line, fields in rows[1:]:
        try:
            stamp = datetime.strptime(fields[stamp_at], _STAMP)
        except ValueError:
            problem = f"Timestamp = {fields[stamp_at]!r}, expected the form 2019.12.16_13.40.04"
            raise TraceError(os.fspath(path), line, problem) from None
        if fields[rate_at] != "-":
            stamps.append(stamp)
            rates.append(1e3 * number(path, line, fields[rate_at], _COLUMN[direction]))
            lines.append(line)
    if not stamps:
        raise TraceError(os.fspath(path), rows[-1].line, f"no row has a {_COLUMN[direction]}")
    seconds = [(stamp - stamps[0]).total_seconds() for stamp in stamps]
    return rate_series(name, seconds, rates, provenance(path), long_gap=long_gap, file=os.fspath(path), lines=lines)
