"""All rivals through the scheduling loop on campus-8."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import FixedPlan
from octogym.cluster.settings import KEEP
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.local import NonePolicy
from octogym.scheduler.rivals.ablations import SpatAblPolicy, TempAblPolicy
from octogym.scheduler.rivals.decider import predict
from octogym.scheduler.rivals.distream import DistreamOffloadPolicy
from octogym.scheduler.rivals.gnn_lstm import GnnLstmPolicy
from octogym.scheduler.rivals.perfect import LpBoundPolicy
from octogym.testing import check_policy

LEARNED = {
    "distream-offload": DistreamOffloadPolicy,
    "gnn-lstm": GnnLstmPolicy,
    "temp-abl": TempAblPolicy,
    "spat-abl": SpatAblPolicy,
}
NAMES = (*LEARNED, "lp-bound")
SECONDS = 40


def policy_of(name, files, more=""):
    if name == "lp-bound":
        pytest.importorskip("scipy")
        return LpBoundPolicy(more.strip(",") or None)
    return LEARNED[name](f"{files[name]}{more}")


def run(scenario, policy, seed=0, num_envs=1, seconds=SECONDS):
    """(shares [K, E, R] sent, results on time [E])."""
    backend = make_backend("sim", scenario, num_envs=num_envs)
    shares, on_time = [], np.zeros(num_envs)
    for window in Runner(backend, policy).windows(seconds, seed):
        window.decision.validate(scenario.cluster, num_envs)
        shares.append(window.decision.share_milli.copy())
        on_time += window.telemetry.on_time_results.sum(1)
    backend.close()
    return np.array(shares), on_time


@pytest.mark.parametrize("name", NAMES)
def test_more_arrives_on_time_than_without_offloading(name, campus, files):
    _, here = run(campus, NonePolicy())
    shares, there = run(campus, policy_of(name, files))
    assert there[0] > 1.1 * here[0]
    assert len(np.unique(shares[:, 0], axis=0)) > 1  # it decided more than once


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_rules_of_policies(name, campus, files):
    check_policy(lambda: policy_of(name, files), campus)


@pytest.mark.parametrize("name", NAMES)
def test_devices_that_leave_get_nothing(name, campus, files):
    """node03 is away from second 12 to 25."""
    plan = campus.plan(0)
    d = [device.id for device in campus.cluster.devices].index("node03")
    absent = list(plan.absent_ns)
    absent[d] = np.array([[12, 25]], np.int64) * 1_000_000_000
    churn = replace(campus, planner=FixedPlan(replace(plan, absent_ns=tuple(absent))))
    shares, _ = run(churn, policy_of(name, files))
    instances, own = campus.cluster.instances, OffloadLayout(campus.cluster, top_k=8).owned
    routes = [(r, campus.cluster.routes[r]) for r in own.tolist()]
    from_others = [r for r, way in routes if instances[way.target].device == d != instances[way.source].device]
    assert shares[:12, 0, from_others].any()
    assert not shares[13:25, 0, from_others].any()


@pytest.mark.parametrize("name", NAMES)
def test_settings_may_be_left_to_others(name, campus, files):
    backend = make_backend("sim", campus)
    policy = policy_of(name, files, ",shares")
    for window in Runner(backend, policy).windows(3, 0):
        assert (window.decision.batch == KEEP).all()
    backend.close()


@pytest.mark.parametrize("name", LEARNED)
def test_weights_go_in_and_out(name, files):
    policy = policy_of(name, files)
    state = {key: np.zeros_like(x) for key, x in policy.state_dict().items()}
    policy.load(state)
    assert not any(x.any() for x in policy.state_dict().values())
    with pytest.raises(ValueError, match="wrong"):
        policy.load({"wrong": np.zeros(1)})


@pytest.mark.parametrize("name", LEARNED)
def test_arguments_are_checked(name, files):
    with pytest.raises(SchedulerError, match=f"octogym train {name} leaves one"):
        LEARNED[name](None)
    with pytest.raises(SchedulerError, match="'twice'"):
        LEARNED[name](f"{files[name]},twice")


def test_temp_abl_knows_octocrosss_rules(campus, files):
    published, _ = run(campus, policy_of("temp-abl", files, ",published"))
    plus, _ = run(campus, policy_of("temp-abl", files, ",plus"))
    assert np.array_equal(plus, run(campus, policy_of("temp-abl", files))[0])
    assert not np.array_equal(plus, published)
    with pytest.raises(SchedulerError, match="at most one of"):
        policy_of("temp-abl", files, ",plus,published")


def test_lp_bound_takes_no_file():
    with pytest.raises(SchedulerError, match="shares"):
        LpBoundPolicy("file")


def test_gnn_lstm_refuses_another_cluster(files):
    other = load_scenario("campus-12", traces="synthetic")
    with pytest.raises(SchedulerError, match=r"13 nodes.*graph of 9.*train it anew"):
        run(other, policy_of("gnn-lstm", files), seconds=2)


def test_lp_bound_goes_no_further_than_it_knows(campus):
    pytest.importorskip("scipy")
    with pytest.raises(SchedulerError, match="ends at second 20"):
        run(replace(campus, horizon_s=20), LpBoundPolicy(), seconds=40)


def test_lp_bound_notices_another_run(campus):
    pytest.importorskip("scipy")

    class Other:
        """Says it plays a workload three times as heavy as it does."""

        def __init__(self):
            self.inner = make_backend("sim", campus)
            heavy = replace(campus.counts, counts=(3 * campus.counts.counts).astype(np.int16))
            self.scenario, self.cluster, self.num_envs = replace(campus, counts=heavy), campus.cluster, 1

        def reset(self, *args):
            return self.inner.reset(*args)

        def step(self, decision):
            return self.inner.step(decision)

    with pytest.raises(SchedulerError, match="must run on the simulator"):
        for _ in Runner(Other(), LpBoundPolicy()).windows(30, 0):
            pass


def test_a_short_history_is_refused(campus, files):
    policy = policy_of("distream-offload", files)
    run(campus, policy, seconds=3)
    sample = policy.sampler.sample(0, policy.loops[0].valid, policy._reach[0])
    decider = policy.decider
    assert predict(decider.model, sample, decider.ids).forecast.shape == (9, 16)
    with pytest.raises(SchedulerError, match="history of 4 samples: expected 12"):
        predict(decider.model, replace(sample, history=sample.history[:, :4]), decider.ids)
