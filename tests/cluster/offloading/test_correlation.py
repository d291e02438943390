"""The physical view."""

from __future__ import annotations

import numpy as np

from octogym.cluster.offloading.correlation import LAGS, LEAST, Correlation


def brute(x: np.ndarray) -> np.ndarray:
    """float64 [N, N] for x [K, N]."""
    N = x.shape[1]
    view = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            for lag in LAGS:
                first, second = x[: len(x) - lag, i], x[lag:, j]
                if i != j and len(first) >= LEAST and first.std() > 0 and second.std() > 0:
                    view[i, j] = max(view[i, j], np.corrcoef(first, second)[0, 1])
    return view


def test_running_sums_give_the_largest_correlation() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.random((80, 3)).cumsum(0), rng.random((80, 3))
    two[10:, 1] = two[:-10, 0]  # what camera 0 sees, camera 1 sees ten samples later
    running = Correlation(2, 3)
    for k in range(80):
        running.push(np.stack([one[k], two[k]]))
    view = running.view()
    assert np.allclose(view[0], brute(one)) and np.allclose(view[1], brute(two))
    assert view[1, 0, 1] > 0.99 and view[1, 1, 0] < 0.6


def test_nothing_is_said_too_early_and_a_reset_forgets() -> None:
    rng = np.random.default_rng(1)
    running = Correlation(2, 2)
    for k in range(60):
        running.push(rng.random((2, 2)))
        if k < LEAST - 1:
            assert not running.view().any()
    assert running.view().any((1, 2)).all()
    running.reset(np.array([True, False]))
    assert not running.view()[0].any() and running.view()[1].any()
    fresh = Correlation(1, 2)
    for _ in range(50):
        x = rng.random((2, 2))
        running.push(x)
        fresh.push(x[:1])
    assert np.allclose(running.view()[0], fresh.view()[0])


def test_constant_demand_correlates_with_nothing() -> None:
    running = Correlation(1, 2)
    for _ in range(60):
        running.push(np.array([[3.0, 3.0]]))
    assert not running.view().any()
