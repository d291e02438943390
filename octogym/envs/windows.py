"""From seconds to control windows."""

from __future__ import annotations


def windows_of(horizon_s: float, period_ns: int) -> int:
    """How many windows make a horizon.

    Raises:
        ValueError: no whole number of windows, or none.
    """
    count = round(horizon_s * 1e9 / period_ns)
    if count < 1 or abs(count * period_ns - horizon_s * 1e9) > 0.5:
        raise ValueError(f"horizon = {horizon_s!r} s; allowed: a positive multiple of the window, {period_ns / 1e9} s")
    return count
