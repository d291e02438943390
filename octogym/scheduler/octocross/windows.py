"""Windows of a series of loads: what goes into the model, what it ought to say, and which part of time is for what."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from octogym.scheduler.errors import SchedulerError

#: Parts of a series, in the order of time, for training, validation and test.
PARTS = (0.7, 0.1, 0.2)


class Windows(NamedTuple):
    """B windows of N nodes: `history` [B, N, tau], the samples [t - tau, t), and `future` [B, N, Q], [t, t + Q)."""

    history: np.ndarray
    future: np.ndarray


class Split(NamedTuple):
    """Times t of windows, int64 arrays: no target of one part lies in another, and all follow in time."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def history_at(series: np.ndarray, t: int, length: int) -> np.ndarray:
    """The ``length`` samples before ``t`` of a series [T, N], as [N, length]; before its start its first one holds."""
    if not 1 <= t <= len(series):
        raise SchedulerError(f"t = {t}: expected 1 to {len(series)}, the samples there are")
    return np.asarray(series)[np.maximum(np.arange(t - length, t), 0)].T


def windows(series: np.ndarray, times: np.ndarray, history: int, horizon: int) -> Windows:
    """Windows of a series [T, N] at the given times.

    Raises:
        SchedulerError: a time with nothing before it, or with less than ``horizon`` samples from it on.
    """
    series, times = np.asarray(series), np.asarray(times, np.int64)
    if len(times) and not (times.min() >= 1 and times.max() + horizon <= len(series)):
        raise SchedulerError(f"times {times.min()} to {times.max()}: expected 1 to {len(series) - horizon}")
    before = np.maximum(times[:, None] + np.arange(-history, 0), 0)
    after = times[:, None] + np.arange(horizon)
    return Windows(series[before].transpose(0, 2, 1), series[after].transpose(0, 2, 1))


def chronological(length: int, horizon: int, parts: tuple[float, float, float] = PARTS) -> Split:
    """Times for training, validation and test, in that order of time.

    Raises:
        SchedulerError: parts that do not sum to 1, or a part too short for one window.
    """
    if min(parts) < 0 or not np.isclose(sum(parts), 1.0):
        raise SchedulerError(f"parts = {parts}: expected three numbers from 0 that sum to 1")
    edges = [0, *(round(length * share) for share in np.cumsum(parts))]
    # From 1: a window needs a sample before it.
    found = [np.arange(max(start, 1), stop - horizon + 1) for start, stop in pairwise(edges)]
    for times, share in zip(found, parts, strict=True):
        if share > 0 and not len(times):
            raise SchedulerError(f"length = {length}: a part of {share:g} of it is shorter than a horizon of {horizon}")
    return Split(*found)


def persistence_error(series: np.ndarray, horizon: int, available: np.ndarray | None = None) -> np.ndarray:
    """Mean squared error [horizon] of the last value as the forecast of h = 1, 2, ... samples later.

    Args:
        series: [T, N].
        available: bool [T, N]: pairs of samples of which one is missing do not count; None: all are there.
    """
    x = np.asarray(series, np.float64)
    there = np.ones(x.shape, bool) if available is None else available
    if len(x) <= horizon:
        raise SchedulerError(f"horizon = {horizon}: expected less than the {len(x)} samples")
    both = [there[h:] & there[:-h] for h in range(1, horizon + 1)]
    return np.array([((x[h:] - x[:-h]) ** 2)[ok].mean() for h, ok in enumerate(both, 1)])
