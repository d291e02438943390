"""FCPO's Eq. 1."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from octogym.cluster.reward import FcpoReward


def reward(
    rate: float, *, executed: float | None = None, late: int = 0, latency_s: float = 0.08, batch: int = 1
) -> float:
    telemetry = SimpleNamespace(
        window_ns=np.array([10**9]),
        executed=np.array([[rate if executed is None else executed]]),
        dropped_late=np.array([[late]]),
        local_latency_ns=np.array([[latency_s * 1e9]]),
        batch=np.array([[batch]]),
    )
    return float(FcpoReward()(telemetry, np.array([[rate]]), np.array([[True]]))[0, 0])


@pytest.mark.parametrize(("batch", "expected"), [(1, 0.15), (2, 0.14), (4, 0.08), (8, -0.13), (16, -0.98)])
def test_the_published_example(batch, expected):
    assert reward(15, batch=batch) == pytest.approx(expected, abs=0.006)


def test_without_requests_only_the_batch_counts():
    assert reward(0, executed=0, batch=4) == pytest.approx(-0.16)


def test_late_drops_shrink_the_rate_and_the_throughput_term_is_capped():
    assert reward(20, executed=20, late=19, latency_s=0, batch=1) == pytest.approx((1.1 * 1.5 - 2) / 2)


def test_it_stays_within_its_bounds_and_is_zero_for_absent_devices():
    assert reward(100, latency_s=5) == -1
    telemetry = SimpleNamespace(
        window_ns=np.array([10**9]),
        executed=np.full((1, 2), 9),
        dropped_late=np.zeros((1, 2)),
        local_latency_ns=np.zeros((1, 2)),
        batch=np.ones((1, 2)),
    )
    values = FcpoReward()(telemetry, np.full((1, 2), 9.0), np.array([[True, False]]))
    assert values[0, 0] > 0 and values[0, 1] == 0
