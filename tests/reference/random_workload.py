"""Random draws, and random workloads: traces with gaps and outages, load programmes, absences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from octogym.cluster.workload import (
    END_LOOP,
    END_UNAVAILABLE,
    CameraPlan,
    CountTable,
    LinkPlan,
    RateTable,
    WorkloadPlan,
)

MS = 1_000_000
SERIES = 3  # rows of either table
T = TypeVar("T")


class Dice:
    """`whole_ms`: times in whole milliseconds, so that many events fall together."""

    def __init__(self, seed: int, stream: int, whole_ms: bool = False) -> None:
        self.rng = np.random.default_rng([seed, stream])
        self.whole_ms = whole_ms

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self.rng.integers(len(values)))]

    def whole(self, low: int, high: int) -> int:
        """In [low, high]."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def time(self, low_ms: float, high_ms: float) -> int:
        """ns, log-uniform."""
        ns = int(np.exp(self.rng.uniform(np.log(low_ms), np.log(high_ms))) * MS)
        return max(MS, ns // MS * MS) if self.whole_ms else ns

    def shares(self, n: int) -> list[int]:
        """Thousandths that sum to 1000, zeros now and then."""
        weights = self.rng.dirichlet(np.ones(n)) * (self.rng.random(n) < 0.8)
        shares = np.floor(1000 * weights / max(weights.sum(), 1e-9)).astype(int)
        shares[self.whole(0, n - 1)] += 1000 - shares.sum()
        return shares.tolist()


def count_table(dice: Dice, classes: int) -> CountTable:
    samples = 60
    counts = dice.rng.poisson(dice.pick([0.5, 2, 5]), (SERIES, classes, samples)).astype(np.int16)
    gaps = dice.rng.random((SERIES, samples)) < 0.05
    return CountTable(
        tuple(f"series{n}" for n in range(SERIES)),
        np.where(gaps[:, None, :], np.int16(-1), counts),
        dice.rng.integers(5, samples + 1, SERIES),
        dice.rng.choice([1000, 2500, 10_000, 15_000], SERIES),
        dice.pick([END_LOOP, END_LOOP, END_UNAVAILABLE]),
    )


def rate_table(dice: Dice) -> RateTable:
    pieces = 8
    ends = np.cumsum(dice.rng.integers(20, 1500, (SERIES, pieces)) * MS, 1)
    t_ns = np.concatenate([np.zeros((SERIES, 1), np.int64), ends[:, :-1]], 1)
    length = dice.rng.integers(1, pieces + 1, SERIES)
    return RateTable(
        tuple(f"series{n}" for n in range(SERIES)),
        t_ns,
        dice.rng.choice([0, 500_000, 7_654_321, 25_000_000, 200_000_000], (SERIES, pieces)),
        length,
        ends[np.arange(SERIES), length - 1],
        dice.pick([END_LOOP, END_LOOP, END_UNAVAILABLE]),
    )


def workload(dice: Dice, cameras: int, devices: int, period_ns: int, periods: int) -> WorkloadPlan:
    horizon_ns = periods * period_ns
    return WorkloadPlan(
        tuple(_camera_plan(dice, horizon_ns) for _ in range(cameras)),
        tuple(_link_plan(dice, horizon_ns) for _ in range(2 * devices)),
        tuple(_absences(dice, period_ns) for _ in range(devices)),
    )


def _starts(dice: Dice, horizon_ns: int) -> np.ndarray:
    return np.concatenate([[0], np.sort(dice.rng.integers(1, horizon_ns, dice.whole(0, 3)))]).astype(np.int64)


def _camera_plan(dice: Dice, horizon_ns: int) -> CameraPlan:
    start = _starts(dice, horizon_ns)
    series = np.where(dice.rng.random(len(start)) < 0.15, -1, dice.rng.integers(0, SERIES, len(start)))
    offset = dice.rng.integers(0, 50, len(start))
    factor = dice.rng.choice([1000, 300, 1750, 2000], len(start))
    return CameraPlan(start, series.astype(np.int32), offset, factor.astype(np.int32))


def _link_plan(dice: Dice, horizon_ns: int) -> LinkPlan:
    start = _starts(dice, horizon_ns)
    factor = dice.rng.choice([1000, 1000, 0, 333, 2500], len(start)).astype(np.int32)
    series = -1 if dice.chance(0.4) else dice.whole(0, SERIES - 1)
    return LinkPlan(series, dice.whole(0, 5000) * MS, start, factor)


def _absences(dice: Dice, period_ns: int) -> np.ndarray:
    if dice.chance(0.65):
        return np.zeros((0, 2), np.int64)
    leaves = dice.whole(0, 5)
    absent = [[leaves, leaves + dice.whole(1, 3)]]
    if dice.chance(0.5):
        leaves = absent[0][1] + dice.whole(1, 8)
        absent.append([leaves, leaves + dice.whole(1, 4)])
    return np.array(absent, np.int64) * period_ns
