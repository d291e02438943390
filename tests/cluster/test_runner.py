"""The runner: merging, periods, validity kept alive, feedback. A fake backend stands below, so nothing here needs the
kernel."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from octogym.cluster.backend import Backend, Policy
from octogym.cluster.decision import Decision
from octogym.cluster.runner import PolicyConflict, Runner
from octogym.cluster.settings import KEEP, KEEP_SHARE, Settings
from octogym.cluster.telemetry import BINS, Telemetry
from octogym.cluster.topology import Camera, Cluster, Device, DeviceType, Edge, Instance, Profile, Route, Stage

WIDTHS = {"queue": (5,), "latency_hist": (BINS,), "leaf_hist": (BINS,)}
PER_ENV = ("t_ns", "window_ns")
PER_CAMERA = (
    "frames",
    "objects",
    "generated",
    "on_time_results",
    "late",
    "dropped",
    "missed",
    "lost_results",
    "in_flight",
    "overdue",
)
PER_LINK = ("bandwidth_bps", "sent_bytes", "link_busy_ns")


def small_cluster() -> Cluster:
    """A camera device with a detector and a classifier, and a server with a second classifier."""
    nano = DeviceType("nano", cores=4)
    rack = DeviceType("rack", cores=16, thread_actions=4)
    detector = Stage("traffic", "detector", True, (), (100,) * 5, 2)
    car = Stage("traffic", "car", False, (1.0,), (10,) * 5)

    def instance(device: int, stage: int, kind: DeviceType) -> Instance:
        name = ("traffic.detector", "traffic.car")[stage]
        profile = Profile(name, kind.name, (5_000_000,) * 8, 1_000_000, 1_000_000, 100.0, False, "test")
        ident = f"{('cam-1', 'server')[device]}/{name}"
        return Instance(
            ident, device, device, stage, profile, 1.0, 2, 8, kind.thread_actions, Settings(), Settings(), True
        )

    return Cluster(
        name="small",
        devices=(Device("cam-1", nano, "camera"), Device("server", rack, "server")),
        cameras=(Camera("cam-1", 0, "traffic", 0, 15.0, 150_000, 250_000_000),),
        stages=(detector, car),
        edges=(Edge(0, 1, 0, 6000),),
        instances=(instance(0, 0, nano), instance(0, 1, nano), instance(1, 1, rack)),
        routes=(Route(3, 0, 0, 0, 1000, -1), Route(0, 1, 1, 1, 1000, 0), Route(0, 1, 2, 1, 0, 0)),
        classes=("car",),
        slo_ns={"traffic": 250_000_000},
    )


class FakeBackend:
    """Answers with arrivals of 10 per instance and window, remembers what it was sent."""

    scenario = None

    def __init__(self, num_envs: int = 1) -> None:
        self.cluster, self.num_envs = small_cluster(), num_envs
        self.sent: list[Decision] = []
        self.seed = None

    def reset(self, seed=None, mask=None, options=None):
        self.seed, self.sent = seed, []
        shapes = dict.fromkeys((f.name for f in fields(Telemetry)), (self.num_envs, self.cluster.S))
        shapes.update(dict.fromkeys(PER_CAMERA, (self.num_envs, self.cluster.C)))
        shapes.update(dict.fromkeys(PER_LINK, (self.num_envs, self.cluster.L)))
        shapes.update(dict.fromkeys(PER_ENV, (self.num_envs,)))
        shapes["present"] = (self.num_envs, self.cluster.D)
        for name, extra in WIDTHS.items():
            shapes[name] += extra
        self.telemetry = Telemetry(**{name: np.zeros(shape, np.int64) for name, shape in shapes.items()})
        self.telemetry.present[:] = 1
        return self.telemetry

    def step(self, decision):
        decision.validate(self.cluster, self.num_envs)
        self.sent.append(decision.copy())
        self.telemetry.t_ns += self.cluster.period_ns
        self.telemetry.window_ns[:] = self.cluster.period_ns
        self.telemetry.arrived[:] = 10
        self.telemetry.executed[:] = 10
        self.telemetry.batch[:] = 1
        return self.telemetry

    def close(self):
        pass


class Scripted:
    """Sets what `script(step, decision)` writes into a decision that keeps everything."""

    scope = "cluster"

    def __init__(self, script, period_s: float = 1.0) -> None:
        self.script, self.period_s = script, period_s
        self.asked: list[int] = []
        self.rewards: list[float] = []

    def reset(self, cluster, num_envs, seed):
        self.cluster, self.num_envs, self.seed = cluster, num_envs, seed

    def act(self, view):
        self.asked.append(view.step)
        decision = Decision.keep(self.cluster, self.num_envs)
        self.script(view.step, decision)
        return decision

    def feedback(self, reward, view):
        self.rewards.append(float(reward[0, 0]))

    def state_dict(self):
        return {}

    def load(self, state):
        pass


def setter(**values):
    """A script that sets whole fields, or (instances, value) of them."""

    def script(step, decision):
        for name, value in values.items():
            where, what = value if isinstance(value, tuple) else (slice(None), value)
            getattr(decision, name)[:, where] = what

    return script


def run(backend, policies, count, seed=0):
    return list(Runner(backend, policies).windows(count, seed))


def test_the_fakes_are_what_the_protocols_ask_for():
    assert isinstance(Scripted(setter()), Policy)
    assert isinstance(FakeBackend(), Backend)


def test_patches_of_policies_that_set_different_fields_are_merged():
    backend = FakeBackend(num_envs=2)
    placement = Scripted(setter(active=([2], 0)))
    batches = Scripted(setter(batch=([0, 1], 4)))
    threads = Scripted(setter(batch=([2], 8), pre=2, post=1))
    shares = Scripted(setter(share_milli=([1, 2], [300, 700])))
    run(backend, [shares, threads, batches, placement], 1)
    sent = backend.sent[0]
    assert sent.active.tolist() == [[KEEP, KEEP, 0]] * 2
    assert sent.batch.tolist() == [[4, 4, 8]] * 2
    assert sent.pre.tolist() == [[2] * 3] * 2 and sent.post.tolist() == [[1] * 3] * 2
    assert (sent.pack == KEEP).all() and (sent.timeout_ns == KEEP).all()
    assert sent.share_milli.tolist() == [[1000, 300, 700]] * 2  # the scenario's where nobody sets any


def test_two_policies_that_set_one_field_of_one_instance_are_refused_by_name():
    first, second = Scripted(setter(batch=2)), Scripted(setter(batch=([2], 4), pre=1, post=1))
    runner = Runner(FakeBackend(), [first, second], names=["fcpo", "bcedge"])
    with pytest.raises(PolicyConflict, match=r"policies fcpo and bcedge both set batch of server/traffic\.car"):
        next(runner.windows(1))


def test_a_conflict_is_found_also_when_the_two_decide_in_different_windows():
    def late(step, decision):
        if step == 3:
            decision.pack[:, 0] = 2

    runner = Runner(FakeBackend(), [Scripted(setter(pack=1), period_s=10), Scripted(late)])
    with pytest.raises(PolicyConflict, match=r"pack of cam-1/traffic\.detector"):
        list(runner.windows(5))


def test_two_policies_that_share_out_the_same_routes_are_refused():
    shares = setter(share_milli=([1, 2], [500, 500]))
    with pytest.raises(PolicyConflict, match=r"share_milli of route 1, cam-1/traffic.detector to cam-1/traffic.car"):
        run(FakeBackend(), [Scripted(shares), Scripted(shares)], 1)


def test_a_patch_of_the_wrong_shape_names_the_policy():
    class Wrong(Scripted):
        def act(self, view):
            return Decision.keep(self.cluster, 5)

    with pytest.raises(ValueError, match=r"policy Wrong: decision\.active has shape \(5, 3\), expected \(1, 3\)"):
        run(FakeBackend(), Wrong(setter()), 1)


def test_a_policy_with_a_long_period_is_asked_at_its_own_windows_and_its_decision_stays_alive():
    backend = FakeBackend()
    slow = Scripted(setter(batch=4, share_milli=([1, 2], [1000, 0])), period_s=30)
    fast = Scripted(setter(pack=1))
    run(backend, [slow, fast], 65)
    assert slow.asked == [0, 30, 60]
    assert fast.asked == list(range(65))
    # Never a window in which the backend could take the settings for forgotten.
    assert all((sent.batch == 4).all() and (sent.share_milli[:, 1:] != KEEP_SHARE).all() for sent in backend.sent)


def test_what_no_policy_sets_is_left_to_the_backend():
    backend = FakeBackend()
    run(backend, Scripted(setter(batch=([0], 2))), 5)
    assert all((sent.batch[0] == [2, KEEP, KEEP]).all() for sent in backend.sent)


def test_feedback_comes_once_per_decision_with_the_sum_of_its_windows():
    backend = FakeBackend()
    slow, fast = Scripted(setter(), period_s=5), Scripted(setter())
    windows = [float(window.reward[0, 0]) for window in run_copied(backend, [slow, fast], 12)]
    assert fast.rewards == pytest.approx(windows)
    assert slow.rewards == pytest.approx([sum(windows[:5]), sum(windows[5:10]), sum(windows[10:])], rel=1e-5)


def run_copied(backend, policies, count):
    for window in Runner(backend, policies).windows(count):
        window.reward = window.reward.copy()
        yield window


@pytest.mark.parametrize("period_s", [0.0, 0.4, 1.5])
def test_a_period_that_is_no_multiple_of_the_window_is_refused(period_s):
    with pytest.raises(ValueError, match=r"period_s of policy Scripted = .*: expected a positive multiple of 1\.0 s"):
        Runner(FakeBackend(), Scripted(setter(), period_s=period_s))


def test_seed_reaches_backend_and_policies():
    backend, policy = FakeBackend(), Scripted(setter())
    run(backend, policy, 1, seed=7)
    assert (backend.seed, policy.seed) == (7, 7)


def test_a_custom_reward_replaces_eq_1():
    policy = Scripted(setter())
    runner = Runner(FakeBackend(), policy, reward=lambda telemetry, rate, present: np.full(rate.shape, 3, np.float32))
    list(runner.windows(2))
    assert policy.rewards == [3.0, 3.0]


def test_run_records_every_window_and_reports_progress():
    seen = []
    recorder = Runner(FakeBackend(num_envs=2), Scripted(setter())).run(
        6, seed=3, progress=lambda w: seen.append(w.step)
    )
    assert seen == list(range(6))
    assert not recorder.interrupted and recorder.recorded == 6
    episode = recorder.episode(1)
    assert episode.seed == 4
    assert episode.t_ns.tolist() == [k * 10**9 for k in range(1, 7)]
    assert episode.instances["arrived"].tolist() == [[10] * 3] * 6


def test_ctrl_c_leaves_the_windows_that_were_run():
    def stop(window):
        if window.step == 2:
            raise KeyboardInterrupt

    recorder = Runner(FakeBackend(), Scripted(setter())).run(10, progress=stop)
    assert recorder.interrupted
    assert len(recorder.episode(0).t_ns) == 3


@pytest.mark.parametrize("horizon", [0, -1, 2.5])
def test_a_horizon_that_is_no_multiple_of_the_window_is_refused(horizon):
    with pytest.raises(ValueError, match="horizon"):
        Runner(FakeBackend(), Scripted(setter())).run(horizon)


def test_shares_that_nobody_sets_are_the_scenarios_in_every_window() -> None:
    """Said again and again, as an environment does: they would fall to local when their validity ends."""
    backend = FakeBackend(2)
    run(backend, Scripted(setter(batch=2)), 3)
    for sent in backend.sent:
        assert sent.share_milli.tolist() == [[route.share_milli for route in backend.cluster.routes]] * 2
