"""SimBackend as a `Backend`: same seed same bytes, alone or in a batch, snapshots, growth, errors."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from dataclasses import fields, replace

import numba
import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.errors import TraceError
from octogym.cluster.loading import load_scenario
from octogym.cluster.telemetry import BINS, Telemetry, latency_bin_edges_ns, quantile_ns
from octogym.cluster.workload import END_ERROR
from octogym.sim import SimBackend, layout
from octogym.sim.post import latency_bin

SCENARIO = load_scenario("traffic-2", traces="synthetic")


def decisions(num_envs: int, steps: int, seed: int = 0) -> list[Decision]:
    """Random settings, the same for every environment of a batch."""
    rng = np.random.default_rng(seed)
    limit = np.array([i.max_batch for i in SCENARIO.cluster.instances])
    made = []
    for _ in range(steps):
        decision = Decision.keep(SCENARIO.cluster, num_envs)
        decision.batch[:] = 1 + rng.integers(0, limit)
        decision.pre[:] = rng.integers(1, 3, SCENARIO.cluster.S)
        made.append(decision)
    return made


def run(backend: SimBackend, seed: int, steps: int = 8) -> list[Telemetry]:
    backend.reset(seed=seed)
    return [backend.step(d).copy() for d in decisions(backend.num_envs, steps)]


def rows(telemetry: Telemetry, e: int) -> dict[str, np.ndarray]:
    return {f.name: getattr(telemetry, f.name)[e] for f in fields(Telemetry)}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_alone_equals_inside_a_batch():
    batch = run(SimBackend(SCENARIO, num_envs=64), seed=100)
    for e in (0, 1, 63):
        alone = run(SimBackend(SCENARIO), seed=100 + e)
        for one, many in zip(alone, batch, strict=True):
            assert_same(rows(one, 0), rows(many, e))


def test_two_threads_give_the_same_bytes():
    one, two = SimBackend(SCENARIO, num_envs=64), SimBackend(SCENARIO, num_envs=64, threads=2)
    for a, b in zip(run(one, seed=7), run(two, seed=7), strict=True):
        for e in range(64):
            assert_same(rows(a, e), rows(b, e))


_DIGEST = """
import hashlib, sys
sys.path.insert(0, ".")
from dataclasses import fields
from tests.sim.test_backend import SCENARIO, run
from octogym.cluster.telemetry import Telemetry
from octogym.sim import SimBackend
digest = hashlib.sha256()
for t in run(SimBackend(SCENARIO), seed=3):
    for f in fields(Telemetry):
        digest.update(getattr(t, f.name).tobytes())
print(digest.hexdigest())
"""


def test_another_process_gives_the_same_bytes():
    told = [
        subprocess.run([sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert told[0] == told[1] and len(told[0]) == 64


def test_second_episode_equals_the_first_of_its_seed():
    backend = SimBackend(SCENARIO)
    first = run(backend, seed=5)
    run(backend, seed=6)
    again = run(backend, seed=5)
    for a, b in zip(first, again, strict=True):
        assert_same(rows(a, 0), rows(b, 0))


def test_seed_none_continues_and_differs():
    backend = SimBackend(SCENARIO)
    a = run(backend, seed=5)[-1]
    backend.reset()
    for d in decisions(1, 8):
        b = backend.step(d).copy()
    assert not np.array_equal(a.total_generated, b.total_generated)


def test_masked_reset_leaves_the_others_alone():
    plan = decisions(3, 6)
    whole, masked = SimBackend(SCENARIO, num_envs=3), SimBackend(SCENARIO, num_envs=3)
    whole.reset(seed=10)
    masked.reset(seed=10)
    for d in plan[:3]:
        whole.step(d)
        masked.step(d)
    masked.reset(seed=50, mask=np.array([False, True, False]))
    assert masked.step(plan[3]).t_ns.tolist() == [4 * 10**9, 10**9, 4 * 10**9]
    after, expected = masked.step(plan[4]).copy(), [whole.step(d).copy() for d in plan[3:5]][-1]
    for e in (0, 2):
        assert_same(rows(after, e), rows(expected, e))
    fresh = SimBackend(SCENARIO)
    fresh.reset(seed=51)
    for d in decisions(1, 6)[3:5]:
        t = fresh.step(d)
    assert_same(rows(after, 1), rows(t, 0))


def test_restored_snapshot_repeats_the_future():
    backend = SimBackend(SCENARIO, num_envs=2)
    plan = decisions(2, 12)
    backend.reset(seed=1)
    for d in plan[:5]:
        backend.step(d)
    saved = backend.snapshot()
    first = [backend.step(d).copy() for d in plan[5:]]
    backend.restore(saved)
    for a, d in zip(first, plan[5:], strict=True):
        b = backend.step(d)
        for e in range(2):
            assert_same(rows(a, e), rows(b, e))


def test_another_backend_goes_on_from_a_snapshot():
    backend, other = SimBackend(SCENARIO, num_envs=2), SimBackend(SCENARIO, num_envs=2)
    plan = decisions(2, 8)
    backend.reset(seed=1)
    for d in plan[:4]:
        backend.step(d)
    other.restore(backend.snapshot())
    for d in plan[4:]:
        a, b = backend.step(d), other.step(d)
        for e in range(2):
            assert_same(rows(a, e), rows(b, e))


@pytest.mark.parametrize("first", [0, 1])
def test_no_environment_steps_that_was_never_reset(first):
    backend = SimBackend(SCENARIO, num_envs=2)
    backend.reset(seed=3, mask=np.arange(2) == first)
    with pytest.raises(RuntimeError, match=rf"before reset: environments \[{1 - first}\]"):
        backend.step(Decision.keep(SCENARIO.cluster, 2))
    backend.broadcast(first)
    backend.step(Decision.keep(SCENARIO.cluster, 2))
    backend.restore(SimBackend(SCENARIO, num_envs=2).snapshot())
    with pytest.raises(RuntimeError, match="before reset"):
        backend.step(Decision.keep(SCENARIO.cluster, 2))


def test_broadcast_row_has_one_future():
    backend = SimBackend(SCENARIO, num_envs=3)
    plan = decisions(3, 8)
    backend.reset(seed=1)
    for d in plan[:4]:
        backend.step(d)
    backend.broadcast(2)
    for d in plan[4:]:
        t = backend.step(d)
        for e in range(2):
            assert_same(rows(t, e), rows(t, 2))


def test_snapshot_of_another_shape_is_refused():
    snapshot = SimBackend(SCENARIO, num_envs=2).snapshot()
    with pytest.raises(ValueError, match="snapshot of shape"):
        SimBackend(SCENARIO).restore(snapshot)


def test_pool_grows_without_changing_the_result():
    """A batch that never fills holds everything back; the pool of cells must grow in mid-window."""
    slow = Decision.keep(SCENARIO.cluster)
    slow.batch[:] = [i.max_batch for i in SCENARIO.cluster.instances]
    small, large = SimBackend(SCENARIO), SimBackend(SCENARIO)
    small.reset(seed=2)
    large.reset(seed=2)
    large._grow_cells(20_000, np.zeros(1, bool))
    before = small._cells.shape[1]
    while small._m[0, layout.FREE_N] > small._m[0, layout.BURST] + 3:  # leave hardly more than one event needs
        small._m[0, layout.FREE] = small._cells[0, small._m[0, layout.FREE] + layout.NEXT]
        small._m[0, layout.FREE_N] -= 1
    for _ in range(10):
        a, b = small.step(slow), large.step(slow)
        assert_same(rows(a, 0), rows(b, 0))
    assert small._cells.shape[1] > before


def test_a_backend_is_not_copied_by_accident():
    with pytest.raises(TypeError, match="snapshot"):
        copy.deepcopy(SimBackend(SCENARIO))


def test_bad_decisions_are_named():
    backend = SimBackend(SCENARIO)
    backend.reset(seed=0)
    decision = Decision.keep(SCENARIO.cluster)
    decision.batch[0, 1] = 999
    with pytest.raises(ValueError, match=r"decision.batch\[0, .*\] = 999; allowed"):
        backend.step(decision)
    with pytest.raises(ValueError, match="shape"):
        backend.step(Decision.keep(SCENARIO.cluster, 2))
    with pytest.raises(RuntimeError, match="before reset"):
        SimBackend(SCENARIO).step(Decision.keep(SCENARIO.cluster))
    with pytest.raises(ValueError, match="seed"):
        backend.reset(seed=-1)
    with pytest.raises(ValueError, match="num_envs"):
        SimBackend(SCENARIO, num_envs=0)


def test_a_trace_that_ends_stops_the_run_if_told_to():
    series = replace(SCENARIO.counts, length=np.minimum(SCENARIO.counts.length, 40), end=END_ERROR)
    backend = SimBackend(replace(SCENARIO, counts=series))
    backend.reset(seed=0)
    with pytest.raises(TraceError, match="ended near second"):
        for _ in range(600):
            backend.step(Decision.keep(SCENARIO.cluster))


@numba.njit
def _compiled_bin(latency):
    return latency_bin(latency)


def test_latency_bins_hold_their_latencies():
    edges = latency_bin_edges_ns()
    assert len(edges) == BINS + 1
    assert (edges[2:-1] / edges[1:-2] <= 1.02).all()
    for latency in (1, 99_999, 100_001, 123_456, 10**6, 33_000_000, 250_000_000, 99 * 10**9, 10**12, 2**61):
        b = _compiled_bin(latency)
        assert edges[b] <= latency < edges[b + 1]


def test_a_latency_bin_begins_at_its_edge():
    for b, edge in enumerate(latency_bin_edges_ns()[1:-1], 1):
        first = math.ceil(edge)
        assert (_compiled_bin(first - 1), _compiled_bin(first)) == (b - 1, b)


def test_quantiles_come_from_the_histogram():
    histogram = np.zeros((2, BINS), np.uint32)
    histogram[0, 100], histogram[0, 200] = 3, 1
    edges = latency_bin_edges_ns()
    half, most = quantile_ns(histogram, 0.5), quantile_ns(histogram, 0.99)
    assert edges[100] <= half[0] < edges[101] and edges[200] <= most[0] < edges[201]
    assert np.isnan(half[1])


def test_nothing_is_heard_of_an_absent_device():
    """Its rows are not valid and grow old, also after a snapshot was restored; the others' never are."""
    churn = {"programme.churn": {"present_s": [3, 5], "absent_s": [3, 4], "devices": ["cam-2"]}}
    backend = SimBackend(load_scenario("traffic-2", churn), num_envs=2)
    device = np.array([instance.device for instance in backend.cluster.instances])
    keep, saved, seen = Decision.keep(backend.cluster, 2), None, []
    t = backend.reset(4)
    away = np.zeros(t.valid.shape, np.int64)
    for k in range(20):
        t = backend.step(keep)
        here = t.present[:, device]
        away = np.where(here, 0, away + 1)
        np.testing.assert_array_equal(t.valid, here)
        np.testing.assert_array_equal(t.age_ns, away * backend.cluster.period_ns)
        if saved is not None:
            seen.append(t.age_ns.copy())
        elif away.max() == 2:
            saved = k, backend.snapshot()
    assert saved is not None and away.shape == (2, backend.cluster.S) and max(a.max() for a in seen) >= 2_000_000_000
    backend.restore(saved[1])
    for ages in seen:
        np.testing.assert_array_equal(backend.step(keep).age_ns, ages)
    t = backend.reset(4, np.array([True, False]))
    assert not t.age_ns[0].any()
    backend.close()


def test_an_episode_beyond_the_clock_says_so_and_a_reset_begins_another():
    backend = SimBackend(load_scenario("traffic-2"), 2)
    backend.reset(0)
    keep = Decision.keep(backend.cluster, 2)
    backend.step(keep)
    backend._m[1, layout.TIME] = backend._tables.tab[0, layout.NEVER] - 1
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"traffic-2: an episode has lasted \d+\.\d days .* reset\(\) begins"):
            backend.step(keep)
    assert backend.reset(0).t_ns.tolist() == [0, 0]
    assert (backend.step(keep).t_ns == backend.cluster.period_ns).all()
