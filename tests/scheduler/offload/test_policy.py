"""The loop as a policy, on the simulator."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from octogym.agents.static import StaticPolicy
from octogym.cluster.backend import Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import PolicyConflict, Runner
from octogym.cluster.settings import KEEP, KEEP_SHARE
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.decider import Decider
from octogym.scheduler.offload.devices import Patience, State
from octogym.scheduler.offload.finetune import Tuning
from octogym.scheduler.offload.local import NonePolicy
from octogym.scheduler.offload.loop import LoopSettings
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.offload.trigger import Reason, Rhythm
from tests.scheduler.offload.deciders import Even, Learner, Water


def run(scenario, *policies, windows=60, seed=0, num_envs=1):
    """The decisions sent, uint16 [windows, E, R], who was there after each window, and the last telemetry."""
    backend = make_backend("sim", scenario, num_envs=num_envs)
    sent, present = [], []
    for window in Runner(backend, policies).windows(windows, seed):
        window.decision.validate(scenario.cluster, num_envs)
        sent.append(window.decision.share_milli.copy())
        present.append(window.telemetry.present.copy())
        telemetry = window.telemetry.copy()
    backend.close()
    return np.stack(sent), np.stack(present), telemetry


def on_time(telemetry) -> float:
    return float(telemetry.total_on_time_results.sum() / telemetry.total_generated.sum())


def test_it_is_a_policy():
    assert isinstance(OffloadPolicy(Even()), Policy) and isinstance(Even(), Decider)
    assert OffloadPolicy(Even()).state_dict() == {}
    with pytest.raises(ValueError, match="Even has no weights"):
        OffloadPolicy(Even()).load({"w": np.zeros(1)})


def test_decisions_reach_the_routes(calm):
    policy = OffloadPolicy(Even())
    sent, _, _ = run(calm, policy, windows=20)
    layout = policy.layout
    route = layout.route[0]
    slots, places = np.unique(layout.slot[0], return_inverse=True)
    assert (sent[0, 0, layout.first] == 1000).all()
    # Equal parts to itself, both neighbours and the hub, whose two instances share theirs.
    parts = np.bincount(places, sent[5, 0, route])
    assert dict(zip(slots.tolist(), parts.tolist(), strict=True)) == {0: 250, 1: 250, 2: 250, 3: 250}
    assert sorted(sent[5, 0, route].tolist()) == [125, 125, 250, 250, 250]


def test_offloading_pays(campus):
    _, _, without = run(campus, NonePolicy(), windows=90)
    _, _, with_it = run(campus, OffloadPolicy(Water()), windows=90)
    assert on_time(with_it) > on_time(without) + 0.1


def test_none_keeps_everything(calm):
    sent, _, telemetry = run(calm, make_policy("none"), windows=20)
    layout = OffloadLayout(calm.cluster, 3)
    assert (sent[:, 0, layout.first] == 1000).all() and not telemetry.sent_bytes.any()


def test_decisions_are_taken_in_time(calm):
    policy = OffloadPolicy(decider := Even())
    run(calm, policy, windows=40)
    times = [sample.t_s for _, sample in decider.samples]
    assert times[0] == 1 and all(3 <= b - a <= 15 for a, b in pairwise(times))
    assert sum(policy.decisions[0].values()) == len(times)
    assert policy.decisions[0][Reason.OVERLOAD] > 0
    quiet = OffloadPolicy(decider := Even(), loop=LoopSettings(rhythm=Rhythm(cool_down_s=99, late_share=0.5)))
    run(calm, quiet, windows=40)
    assert [sample.t_s for _, sample in decider.samples] == [1, 16, 31]


def test_late_results_may_be_an_overload(calm):
    only_late = Rhythm(queue=1e9, late_share=0.3, period_s=1000)
    policy = OffloadPolicy(Even(), loop=LoopSettings(rhythm=only_late))
    run(calm, policy, windows=40)
    assert policy.decisions[0][Reason.OVERLOAD] > 0


def test_a_lost_device_gets_nothing_from_the_next_window_on(churning):
    policy = OffloadPolicy(decider := Even(), loop=LoopSettings(rhythm=Rhythm(period_s=5, queue=1e9)))
    sent, present, _ = run(churning, policy, windows=40)
    layout, cluster = policy.layout, churning.cluster
    b = int(layout.node_device[1])
    routes = [int(r) for n in (0, 2) for r in layout.route[n]]
    to_b = [r for r in routes if cluster.instances[cluster.routes[r].target].device == b]
    gone = present[:-1, 0, b] == 0
    share = sent[1:, 0][:, to_b]
    assert gone.any() and (share[gone] == 0).all()
    assert all(sample.valid[1] != gone[int(sample.t_s) - 1] for _, sample in decider.samples)
    # What it would have got stays at home, the hub's part is as it was.
    lost = int(np.flatnonzero(np.diff(gone.astype(int)) == 1)[0]) + 2
    assert lost not in [int(sample.t_s) for _, sample in decider.samples]
    hub = layout.route[0][layout.slot[0] == layout.T - 1]
    assert (sent[lost - 1, 0, layout.first[0]], sent[lost - 1, 0, hub].sum()) == (250, 250)
    assert (sent[lost, 0, layout.first[0]], sent[lost, 0, hub].sum()) == (500, 250)
    # It takes part again when it is back.
    back = int(np.flatnonzero(np.diff(gone.astype(int)) == -1)[0])
    assert (share[back + 6] > 0).all()


def test_device_states_follow_the_cluster(churning):
    policy = OffloadPolicy(Even(), loop=LoopSettings(Patience(grace_s=5)))
    _, present, _ = run(churning, policy, windows=14)
    gone = present[-1, 0, policy.layout.node_device[1]] == 0
    state = State(policy.loops[0].devices.state[1])
    assert state in ((State.MISSING, State.REMOVED) if gone else (State.ACTIVE, State.NEW))


def test_settings_are_stated_or_left_alone(calm):
    for settings in (True, False):
        policy = OffloadPolicy(Even(), settings=settings)
        policy.reset(calm.cluster, 1, 0)
        backend = make_backend("sim", calm)
        patch = policy.act(_view(backend.reset(0), calm))
        backend.close()
        assert (patch.active == KEEP).all()
        assert ((patch.batch != KEEP).all() and (patch.timeout_ns != KEEP).all()) == settings
        owned = np.isin(np.arange(calm.cluster.R), policy.layout.owned)
        assert ((patch.share_milli != KEEP_SHARE)[:, owned]).all()
        assert (patch.share_milli[:, ~owned] != KEEP_SHARE).all() == settings


def _view(telemetry, scenario) -> View:
    cluster = scenario.cluster
    there = np.ones((1, cluster.S), bool)
    return View(telemetry, cluster, 0, there, there)


def test_beside_a_policy_that_sets_batches(campus):
    static = StaticPolicy("batch=2")
    backend = make_backend("sim", campus)
    for window in Runner(backend, [static, OffloadPolicy(Water(), settings=False)]).windows(40, 0):
        telemetry = window.telemetry
    assert (telemetry.batch == 2).all() and telemetry.sent_bytes.any()
    backend.close()
    with pytest.raises(PolicyConflict):
        run(campus, static, OffloadPolicy(Water()), windows=2)
    with pytest.raises(PolicyConflict):
        run(campus, NonePolicy("shares"), OffloadPolicy(Water(), settings=False), windows=2)


def test_the_same_seed_gives_the_same_decisions(campus):
    first, _, telemetry = run(campus, OffloadPolicy(Water()), windows=50, seed=4)
    again, _, _ = run(campus, policy := OffloadPolicy(Water()), windows=50, seed=4)
    assert (first == again).all() and telemetry.sent_bytes.any()
    # Also by an object that ran before.
    third, _, _ = run(campus, policy, windows=50, seed=4)
    assert (first == third).all()


def test_a_batch_is_as_each_alone(campus):
    batch, _, _ = run(campus, OffloadPolicy(Water()), windows=50, seed=4, num_envs=3)
    for e in range(3):
        alone, _, _ = run(campus, OffloadPolicy(Water()), windows=50, seed=4 + e)
        assert (batch[:, e] == alone[:, 0]).all()


def test_episodes_begin_anew(calm):
    policy, backend = OffloadPolicy(Even()), make_backend("sim", calm)
    policy.reset(calm.cluster, 1, 0)
    runs = []
    for _ in range(2):
        telemetry, shares = backend.reset(7), []
        for _ in range(25):
            patch = policy.act(_view(telemetry, calm))
            shares.append(patch.share_milli.copy())
            telemetry = backend.step(patch)
        runs.append(np.stack(shares))
    backend.close()
    assert (runs[0] == runs[1]).all()


def test_shares_outlive_their_validity_only_when_renewed(calm):
    policy, backend = OffloadPolicy(Even()), make_backend("sim", calm)
    policy.reset(calm.cluster, 1, 0)
    telemetry = backend.reset(1)
    for _ in range(4):
        telemetry = backend.step(policy.act(_view(telemetry, calm)))
    # The loop stops: the backend lets them fall after 30 windows.
    for _ in range(calm.cluster.share_validity + 1):
        telemetry = backend.step(Decision.keep(calm.cluster, 1))
    assert (telemetry.share_milli[0, policy.layout.first] == 1000).all()
    # It comes back much later: what it decided last no longer holds, so it decides.
    patch = policy.act(_view(telemetry, calm))
    assert policy.decisions[0][Reason.PERIOD] == 1 and (patch.share_milli[0, policy.layout.first] == 250).all()
    backend.close()


def test_a_cluster_without_anything_to_offload_is_refused():
    with pytest.raises(ValueError, match="nothing to offload"):
        OffloadPolicy(Even()).reset(load_scenario("scale-4").cluster, 1, 0)


def test_words_of_none():
    with pytest.raises(SchedulerError, match="policy none: 'fast'"):
        NonePolicy("fast")


# --- trainings beside the loop --------------------------------------------------------------------------------------
QUICK = LoopSettings(Patience(grace_s=4, collection_s=6))


def test_what_comes_and_goes_is_learned(churning):
    policy = OffloadPolicy(decider := Learner(), loop=QUICK, tuning=Tuning(inline=True, takes_s=3))
    sent, _, _ = run(churning, policy, windows=40)
    requests = [request for _, request, _, _ in decider.asked]
    assert requests[0].removed == ("b",) and requests[1].added == ("b",)
    # It is unlearned on what was collected.
    _, first, recent, _ = decider.asked[0]
    assert recent.load.shape == (int(first.asked_s) + 1, 4)
    assert not recent.there[-4:, 1].any() and recent.there[:, 0].all()
    (done, *_) = policy.adaptations[0].outcomes
    assert done.adopted and done.done_s == first.asked_s + 3 and (done.before, done.after) == (1.0, 0.5)
    first_sent = int(np.flatnonzero((sent[:, 0, policy.layout.first] < 1000).any(1))[0])
    assert first_sent >= done.done_s


def test_worse_weights_are_not_taken(churning):
    policy = OffloadPolicy(decider := Learner(after=1.5), loop=QUICK, tuning=Tuning(inline=True, takes_s=3))
    sent, _, _ = run(churning, policy, windows=40)
    assert decider.asked and not decider.learned
    assert not any(outcome.adopted for outcome in policy.adaptations[0].outcomes)
    assert (sent[:, 0, policy.layout.first] == 1000).all()


def test_trainings_repeat_and_batches_are_as_alone(churning):
    def asked(num_envs, seed):
        policy = OffloadPolicy(decider := Learner(), loop=QUICK, tuning=Tuning(inline=True, takes_s=3))
        sent, _, _ = run(churning, policy, windows=40, num_envs=num_envs, seed=seed)
        return sent, [(e, request.asked_s, seed) for e, request, _, seed in decider.asked]

    batch, both = asked(2, 5)
    assert asked(2, 5)[1] == both
    for e in range(2):
        alone, one = asked(1, 5 + e)
        assert (alone[:, 0] == batch[:, e]).all()
        assert [x[1:] for x in one] == [x[1:] for x in both if x[0] == e]


def test_a_new_run_forgets_what_was_learned(churning):
    policy = OffloadPolicy(decider := Learner(), loop=QUICK, tuning=Tuning(inline=True, takes_s=3))
    first, _, _ = run(churning, policy, windows=40)
    assert decider.learned
    again, _, _ = run(churning, policy, windows=40)
    assert (first == again).all()


def test_a_decider_that_cannot_be_trained_is_refused():
    with pytest.raises(SchedulerError, match="Even cannot be trained"):
        OffloadPolicy(Even(), tuning=Tuning())
