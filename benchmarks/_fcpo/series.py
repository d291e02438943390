"""Figures over the time of a run, in buckets of seconds."""

from __future__ import annotations

import numpy as np

from octogym.cluster.results import Episode


def effective(episodes: list[Episode], bucket: int) -> np.ndarray:
    """float64 [buckets]: results on time per second, mean over the episodes."""
    on_time = np.mean([e.cameras["on_time_results"].sum(1) for e in episodes], 0)
    seconds = episodes[0].period_ns / 1e9
    whole = len(on_time) // bucket * bucket
    return on_time[:whole].reshape(-1, bucket).mean(1) / seconds


def share(episodes: list[Episode], bucket: int) -> np.ndarray:
    """float64 [buckets]: of the results generated in a bucket, how many came in time in it."""
    on_time = np.sum([e.cameras["on_time_results"].sum(1) for e in episodes], 0)
    generated = np.sum([e.cameras["generated"].sum(1) for e in episodes], 0)
    whole = len(on_time) // bucket * bucket
    a, b = (x[:whole].reshape(-1, bucket).sum(1) for x in (on_time, generated))
    return a / np.maximum(b, 1)
