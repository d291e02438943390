"""The compiled loops against the NumPy definitions in `octogym.cluster`, and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.decision import Decision
from octogym.cluster.rate import RateMeter
from octogym.cluster.reward import FcpoReward
from octogym.cluster.settings import KEEP, THREAD_ACTIONS
from octogym.cluster.telemetry import BINS, Telemetry, quantile_ns
from octogym.envs import columns
from octogym.envs.core import BatchingCore
from octogym.envs.frame import Frame
from tests.envs.toy_backend import Scripted, ToyBackend, toy_scenario

QUIET = dict.fromkeys(("dropped_late", "dropped_full", "local_latency_ns", "queue"), 0)


def one(script: list[dict], **settings: object) -> BatchingCore:
    core = BatchingCore(backend=Scripted(script, scenario=toy_scenario(((4, 16, 4),), horizon_s=200)), **settings)
    core.reset(0)
    return core


def act(core: BatchingCore, *indices: int) -> Frame:
    core.decide(np.tile(np.array(indices, np.int64), (core.E, core.S, 1)))
    return core.advance()


# --- reward ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rate", "batch", "expected"),
    [(15, 1, 0.15), (15, 2, 0.14), (15, 4, 0.08), (15, 8, -0.13), (15, 16, -0.98), (200, 1, 0.15), (200, 16, 0.14)],
)
def test_reward_is_the_worked_example_of_the_published_formula(rate: int, batch: int, expected: float) -> None:
    core = one([{**QUIET, "arrived": rate, "executed": rate, "local_latency_ns": 80_000_000}])
    frame = act(core, 0, batch - 1, 0)
    exact = (1.1 * (rate + 0.1) / rate - 10 * 0.08 - 2 * (batch / rate) ** 2) / 2
    assert frame.reward[0, 0] == pytest.approx(exact, abs=1e-6)
    assert frame.reward[0, 0] == pytest.approx(expected, abs=0.006)


def test_late_drops_lower_the_rate_and_throughput_is_capped() -> None:
    core = one([{**QUIET, "arrived": 20, "executed": 20, "dropped_late": 15}])
    frame = act(core, 0, 0, 0)
    assert frame.values[0, 0, columns.RATE :].tolist() == [20.0, 5.0]
    assert frame.reward[0, 0] == pytest.approx((1.1 * 1.5 - 2 * (1 / 5) ** 2) / 2)


def test_net_rate_never_falls_below_a_tenth() -> None:
    core = one([{**QUIET, "arrived": 20, "executed": 0, "dropped_late": 20}])
    frame = act(core, 0, 0, 0)
    assert frame.values[0, 0, columns.NET_RATE] == 0.1
    # T = (0 + 0.1) / 0.1 = 1 and O = 1 / 0.1 = 10.
    assert frame.reward[0, 0] == -1.0


def test_without_requests_only_the_batch_size_counts() -> None:
    core = one([{**QUIET, "arrived": 0, "executed": 3, "local_latency_ns": 10**9}])
    frame = act(core, 0, 3, 0)
    assert frame.values[0, 0, columns.RATE :].tolist() == [0.0, 0.0]
    assert frame.reward[0, 0] == pytest.approx(-2 * 0.4**2 / 2)
    assert frame.observation[0, 0, 3] == 0.0


def test_other_weights() -> None:
    script = [{**QUIET, "arrived": 10, "executed": 10, "local_latency_ns": 50_000_000}]
    frame = act(one(script, reward=FcpoReward(theta=1.0, sigma=4.0, phi=0.0)), 0, 7, 0)
    assert frame.reward[0, 0] == pytest.approx((10.1 / 10 - 0.2) / 2)


def test_the_batch_in_force_counts_not_the_one_asked_for() -> None:
    core = BatchingCore(backend=Scripted([{**QUIET, "arrived": 10, "executed": 10, "batch": 4}]))
    core.reset(0)
    core.decide(np.zeros((1, 3, 3), np.int64))
    assert core.advance().reward[0] == pytest.approx((1.1 * 1.01 - 2 * 0.4**2) / 2)


# --- rate -----------------------------------------------------------------------------------------------------------
def test_rate_is_the_mean_over_six_spans_and_over_what_there_is_at_first() -> None:
    core = one([{**QUIET, "arrived": n} for n in (6, 12)])
    assert act(core, 0, 0, 0).column(columns.RATE)[0, 0] == pytest.approx(6)
    # The last second has 12; the longer spans hold both seconds.
    assert act(core, 0, 0, 0).column(columns.RATE)[0, 0] == pytest.approx((12 + 5 * 9) / 6)


def test_rate_forgets_after_a_minute() -> None:
    core = one([{**QUIET, "arrived": 60}, {**QUIET, "arrived": 0}])
    rates = [act(core, 0, 0, 0).column(columns.RATE)[0, 0] for _ in range(62)]
    assert rates[14] == pytest.approx((60 / 15 + 60 / 15 + 60 / 15) / 6)
    assert rates[59] == pytest.approx(1 / 6)
    assert rates[60] == 0


def test_stale_rate_is_renewed_every_fifteen_seconds() -> None:
    core = one([{**QUIET, "arrived": n} for n in range(40)], rate="stale_15s")
    rates = [act(core, 0, 0, 0).column(columns.RATE)[0, 0] for _ in range(31)]
    assert rates[:14] == [0] * 14
    assert len(set(rates[14:29])) == 1 and rates[14] > 0
    assert rates[29] > rates[28] and rates[30] == rates[29]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.floats(0, 400))
def test_rate_and_reward_are_those_of_the_cluster_package(seed: int, num_envs: int, mean: float) -> None:
    absent = {1: (4, 8)}
    core = BatchingCore(backend=ToyBackend(num_envs=num_envs, absent=absent, mean_rate=mean), num_envs=num_envs)
    core.reset(seed)
    meter, reward = RateMeter(num_envs, core.S), FcpoReward()
    rng = np.random.default_rng(seed)
    for _ in range(12):
        core.decide(rng.integers(0, core.sizes, (num_envs, core.S, 3)))
        frame = core.advance()
        rate = meter.push(core.telemetry.arrived)
        assert np.array_equal(frame.column(columns.RATE), rate)
        assert np.array_equal(frame.reward, reward(core.telemetry, rate, core.present))


# --- observation ----------------------------------------------------------------------------------------------------
def test_observation_has_the_published_order_and_normalisation() -> None:
    script = [{**QUIET, "arrived": 50, "queue": np.array([25, 3, 4, 5, 6]), "pack": 3, "batch": 8}]
    core = one(script)
    first, second = act(core, 2, 7, 3), act(core, 2, 7, 3)
    expected = [3 / 4, 8 / 16, 3 / 4, 50 / 250, 0.25, 0.03, 0.05, 2.5]
    assert first.observation[0, 0] == pytest.approx(expected)
    assert second.observation[0, 0] == pytest.approx(expected)


def test_observation_is_clipped_to_its_space() -> None:
    core = one([{**QUIET, "arrived": 10**6, "queue": 500}])
    frame = act(core, 0, 0, 0)
    assert frame.observation[0, 0, 3:7].tolist() == [40, 1, 1, 1]
    assert core.observation_space().contains(frame.observation[0, 0])


def test_observation_shows_the_thread_index_last_asked_for() -> None:
    core = one([QUIET])
    shown = [float(act(core, 0, 0, index).observation[0, 0, 2]) for index in (3, 1, 1, 0)]
    assert shown == [0.75, 0.25, 0.25, 0.0]
    assert core.telemetry.pre[0, 0] == 2  # (2, 1) was asked for twice, (1, 1) once


def test_missing_reports_freeze_the_observation_and_pay_nothing() -> None:
    core = BatchingCore(backend=ToyBackend(silent={0: (2, 4)}))
    core.reset(1)
    frames = [act(core, 0, k % 4, 0) for k in range(5)]
    assert np.array_equal(frames[1].observation[0, 0], frames[2].observation[0, 0])
    assert np.array_equal(frames[1].observation[0, 0], frames[3].observation[0, 0])
    assert frames[2].reward[0, 0] == frames[3].reward[0, 0] == 0
    assert not np.array_equal(frames[3].observation[0, 0], frames[4].observation[0, 0])


# --- actions --------------------------------------------------------------------------------------------------------
def test_action_indices_become_settings() -> None:
    core = BatchingCore(backend=ToyBackend())
    core.reset(0)
    core.decide(np.array([[[1, 7, 1], [0, 15, 3], [3, 3, 0]]]))
    d = core.decision
    assert d.pack.tolist() == [[2, 1, 4]] and d.batch.tolist() == [[8, 16, 4]]
    assert list(zip(d.pre[0].tolist(), d.post[0].tolist(), strict=True)) == [THREAD_ACTIONS[i] for i in (1, 3, 0)]
    for name in ("active", "timeout_ns"):
        assert (getattr(d, name) == KEEP).all()


def test_a_shared_action_space_clips_to_the_instances_own() -> None:
    core = BatchingCore(backend=ToyBackend(), homogeneous=True)
    core.reset(0)
    assert core.accepted.tolist() == [[4, 16, 4]] * 3
    core.decide(np.tile([3, 15, 3], (1, 3, 1)))
    assert core.decision.pack.tolist() == [[2, 1, 4]] and core.decision.batch.tolist() == [[8, 16, 4]]
    assert core.decision.pre.tolist() == [[2, 2, 2]] and core.decision.post.tolist() == [[1, 2, 1]]


def test_absent_devices_keep_their_settings() -> None:
    core = BatchingCore(backend=ToyBackend(absent={0: (0, 3)}))
    core.reset(0)
    core.decide(np.full((1, 3, 3), 0) + np.array([[[99], [0], [0]]]) * np.array([1, 0, 0]))
    assert core.decision.batch.tolist() == [[KEEP, 1, 1]]


@pytest.mark.parametrize("value", [-1, 4])
def test_an_index_out_of_range_names_agent_and_allowed(value: int) -> None:
    core = BatchingCore(backend=ToyBackend())
    core.reset(0)
    actions = np.zeros((1, 3, 3), np.int64)
    actions[0, 1, 2] = value
    with pytest.raises(ValueError, match=r"node-1/watch\.detector.*pack 0 to 0, batch 0 to 15, threads 0 to 3"):
        core.decide(actions)


def test_every_decision_is_valid() -> None:
    core = BatchingCore(backend=ToyBackend(num_envs=4, absent={2: (1, 3)}), num_envs=4)
    core.reset(0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        core.decide(rng.integers(0, core.sizes, (4, 3, 3)))
        Decision.validate(core.decision, core.cluster, 4)
        core.advance()


# --- latencies -------------------------------------------------------------------------------------------------------
def test_every_latency_of_the_episode_is_counted() -> None:
    class Spread(ToyBackend):
        def step(self, decision: Decision) -> Telemetry:
            t = super().step(decision)
            rng = np.random.default_rng(int(t.t_ns[0]))
            t.leaf_hist[:] = 0
            for s in range(3):
                bins = rng.integers(*[(0, BINS), (400, 420), (600, 602)][s], int(t.completed[0, s]))
                np.add.at(t.leaf_hist[0, s], bins, 1)
            self.seen = getattr(self, "seen", 0) + t.leaf_hist[0].sum(0, dtype=np.int64)
            return t

    backend = Spread()
    core = BatchingCore(backend=backend, horizon=12)
    for _ in range(2):
        backend.seen = 0
        core.reset(3)
        frames = [act(core, 0, 0, 0) for _ in range(12)]
        figures = frames[-1].figures[0]
        for name, q in (("latency_p50_s", 0.5), ("latency_p95_s", 0.95), ("latency_p99_s", 0.99)):
            assert figures[name] == quantile_ns(backend.seen, q) / 1e9
        assert np.array_equal(core._memory.leaf_sum[0], backend.seen)
