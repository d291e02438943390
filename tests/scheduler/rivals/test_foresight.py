"""What is foreseen is what the simulator then plays."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.workload import END_LOOP, LinkPlan, RateTable
from octogym.scheduler.offload.local import NonePolicy
from octogym.scheduler.rivals.foresight import foresee, mean_rate


def test_demand_is_that_of_the_run(campus):
    layout = OffloadLayout(campus.cluster)
    known = foresee(campus, layout, seed=3)
    assert known.worth == pytest.approx(1)
    seen = []
    backend = make_backend("sim", campus)
    for window in Runner(backend, NonePolicy()).windows(40, seed=3):
        seen.append(window.telemetry.generated[0].astype(float))
    backend.close()
    said = known.crops[:40]
    # Counts are rounded by chance and frames fall into one second or the next.
    assert np.sum(seen) == pytest.approx(said.sum(), rel=0.03)
    assert np.corrcoef(np.ravel(seen), said.ravel())[0, 1] > 0.95


def _table(t_s, mbps, end_s, end=END_LOOP):
    t_ns = np.array([t_s], np.int64) * 1_000_000_000
    return RateTable(("one",), t_ns, np.array([mbps], np.int64), np.array([len(t_s)]), np.array([end_s * 10**9]), end)


def _plan(offset_ms=0, start_s=(0,), factor=(1000,), series=0):
    return LinkPlan(series, offset_ms * 10**6, np.array(start_s, np.int64) * 10**9, np.array(factor, np.int32))


def test_rates_are_means_of_the_seconds():
    table = _table([0, 2], [100, 40], 4)
    assert mean_rate(table, _plan(), 6).tolist() == pytest.approx([100, 100, 40, 40, 100, 100])
    assert mean_rate(table, _plan(offset_ms=1500), 4).tolist() == pytest.approx([70, 40, 70, 100])
    assert mean_rate(table, _plan(start_s=(0, 1, 3), factor=(1000, 0, 500)), 4).tolist() == pytest.approx(
        [100, 0, 0, 20]
    )
    assert mean_rate(_table([0], [100], 2, end=0), _plan(), 4).tolist() == pytest.approx([100, 100, 0, 0])
    assert mean_rate(table, _plan(series=-1), 2).tolist() == pytest.approx([1e9, 1e9])
