"""Steps: when they end, what they pay, what they state."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.registry import make_backend
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry
from octogym.envs.offload.core import OffloadCore
from octogym.envs.offload.frame import OffloadFrame

LOCAL, SERVER, MIXED = [1, -1, -1, -1], [-1, -1, -1, 1], [0.6, -1, 0.2, 0.3]


def play(core: OffloadCore, action: list[float], seed: int | None = 0) -> list[OffloadFrame]:
    frames = [core.reset(seed)]
    while not frames[-1].truncated.all():
        core.decide(np.tile(np.array(action, float), (core.E, core.N, 1)))
        frames.append(core.advance())
    return frames[1:]


class Kept:
    """A backend that keeps the telemetry of every window."""

    def __init__(self, scenario: Scenario, num_envs: int = 1) -> None:
        self.inner = make_backend("sim", scenario, num_envs=num_envs)
        self.scenario, self.cluster, self.num_envs = scenario, scenario.cluster, num_envs
        self.seen: list[Telemetry] = []

    def reset(self, *args: Any, **kwargs: Any) -> Telemetry:
        return self.inner.reset(*args, **kwargs)

    def step(self, decision: Any) -> Telemetry:
        decision.validate(self.cluster, self.num_envs)
        telemetry = self.inner.step(decision)
        self.seen.append(telemetry.copy())
        return telemetry

    def close(self) -> None: ...


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=4))
def test_cutting_a_step_changes_no_sum_and_no_telemetry(calm: Scenario, action: list[float]) -> None:
    cut, whole = Kept(calm), Kept(calm)
    many = play(OffloadCore(backend=cut, interrupt=True), action)
    few = play(OffloadCore(backend=whole, interrupt=False), action)
    assert len(few) == 3 and len(many) >= len(few)
    assert len(cut.seen) == len(whole.seen) == 40
    for one, other in zip(cut.seen, whole.seen, strict=True):
        for field in fields(Telemetry):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name
    first, second = many[-1].figures[0], few[-1].figures[0]
    assert first == pytest.approx(second, rel=0, abs=0, nan_ok=True)
    for key in ("team_reward", "results_generated", "results_on_time", "results_late", "offloaded", "window_s"):
        sums = [np.sum([frame.values[key] for frame in frames]) for frames in (many, few)]
        assert sums[0] == pytest.approx(sums[1], rel=1e-5), key
    assert sum(frame.team[0] for frame in many) == pytest.approx(first["reward"], rel=1e-5)


def test_the_reward_is_results_on_time_less_transfer(calm: Scenario) -> None:
    backend = Kept(calm)
    frames = play(OffloadCore(backend=backend, results_per_s=100.0), SERVER)
    on_time = sum(int(t.on_time_results.sum()) for t in backend.seen)
    # Messages are whole crops of 6 kB.
    crops = sum(int(t.sent_bytes[0, :3].sum()) for t in backend.seen) / 6000
    assert crops == sum(frame.values["offloaded"].sum() for frame in frames) > 1000
    expected = (on_time - 0.05 * crops) / (15 * 100)
    assert sum(frame.team[0] for frame in frames) == pytest.approx(expected, rel=1e-5)
    local = play(OffloadCore(calm), LOCAL)
    assert sum(frame.values["offloaded"].sum() for frame in local) == 0


def test_steps_end_at_overloads_with_a_cool_down(calm: Scenario) -> None:
    backend = Kept(calm)
    core = OffloadCore(backend=backend)
    frames = play(core, LOCAL)
    # Camera a's crowd comes at second 5, b's at 15, a's again at 25: nothing before the third second after a decision.
    ends = [(f.values["t_s"][0], bool(f.values["interrupted"][0])) for f in frames]
    assert all(f.values["window_s"][0] >= 3 for f in frames[:-1])
    assert ends[0][1] and 6 <= ends[0][0] <= 8 and frames[0].values["overloaded"][0].tolist() == [True, False, False]
    assert any(stop and 15 < t <= 18 for t, stop in ends) and any(stop and 25 < t <= 28 for t, stop in ends)
    assert ends[-1] == (40.0, False)
    # The rule again, from the telemetry: load above capacity, or a queue above 50, that was not so at the decision.
    arrived = np.stack([t.arrived[0] for t in backend.seen]) @ (
        core.layout.node_of[:, None] == np.arange(core.layout.M)
    )
    load = np.stack([arrived[max(0, k - 2) : k + 1].mean(0) for k in range(40)])
    heavy = np.concatenate([np.zeros((1, 4), bool), load > core.layout.capacity])
    deep = np.concatenate([np.zeros((1, core.cluster.S, 5), bool), np.stack([t.queue[0] > 50 for t in backend.seen])])
    begin, expected = 0, []
    for k in range(1, 41):
        new = (heavy[k] & ~heavy[begin]).any() or (deep[k] & ~deep[begin]).any()
        if k == 40 or k - begin == 15 or (k - begin >= 3 and new):
            expected.append(float(k))
            begin = k
    assert [t for t, _ in ends] == expected


def test_without_interrupts_steps_take_fifteen_seconds(calm: Scenario) -> None:
    frames = play(OffloadCore(calm, interrupt=False), LOCAL)
    assert [f.values["window_s"][0] for f in frames] == [15.0, 15.0, 10.0]
    assert not any(f.values["interrupted"][0] for f in frames)
    with pytest.raises(ValueError, match=r"interrupt = True with num_envs = 2; allowed: False, since"):
        OffloadCore(calm, num_envs=2)


def test_settings_and_shares_are_stated_in_every_second(calm: Scenario) -> None:
    backend = Kept(calm)
    core = OffloadCore(backend=backend, interrupt=False)
    play(core, SERVER)
    cluster = calm.cluster
    for t in backend.seen:
        assert t.batch[0].tolist() == [i.initial.batch for i in cluster.instances] and not t.set_by.any()
        assert (t.share_milli[0, core.layout.owned].reshape(-1, 5) == [0, 0, 0, 500, 500]).all()


def test_churn(churning: Scenario) -> None:
    backend = Kept(churning)
    core = OffloadCore(backend=backend, interrupt=False, horizon=90)
    frames = play(core, MIXED)
    away = [k for k, f in enumerate(frames) if not f.values["present"][0, 1]]
    assert away and len(away) < len(frames)
    for k in away:
        f = frames[k]
        assert f.reward[0, 1] == 0.0 and f.reward[0, 0] == f.team[0] > 0 and f.values["mask"][0].tolist() == [1, 0, 1]
        assert f.values["target_mask"][0, :, core.layout.targets[0].tolist().index(1)][0] == 0
        assert f.parts["present"][0].tolist() == [1, 0, 1, 1]
        assert not f.parts["network"][0, :, 1].any() and not f.parts["network"][0, 1].any()
    # A device that is away gets nothing from the second after it was missed; its share goes to the others.
    device = churning.cluster.instances
    to_b = [r for r in core.layout.owned if device[churning.cluster.routes[r].target].device == 1]
    from_others = [r for r in to_b if device[churning.cluster.routes[r].source].device != 1]
    for before, t in zip(backend.seen, backend.seen[1:], strict=False):
        there = bool(before.present[0, 1])
        assert all((t.share_milli[0, r] > 0) == there for r in from_others)


def test_an_absent_agents_observation_stands_still_and_its_action_is_ignored(churning: Scenario) -> None:
    cores = [OffloadCore(churning, interrupt=False, horizon=90) for _ in range(2)]
    frames = [core.reset(0) for core in cores]
    rng = np.random.default_rng(0)
    absent = 0
    while not frames[0].truncated[0]:
        gone = not frames[0].values["present"][0, 1]
        actions = rng.uniform(-1, 1, (1, 3, 4))
        cores[0].decide(actions)
        if gone:
            absent += 1
            actions[0, 1] = -1
        cores[1].decide(actions)
        before, frames = frames[0], [core.advance() for core in cores]
        for name in ("observation", "reward", "team"):
            assert np.array_equal(getattr(frames[0], name), getattr(frames[1], name))
        if not frames[0].values["present"][0, 1]:
            assert np.array_equal(frames[0].observation[0, 1], before.observation[0, 1])
    assert absent


def test_results_add_up(calm: Scenario) -> None:
    sums: dict[str, int] = {}
    for frame in play(OffloadCore(calm), MIXED):
        for name in ("generated", "on_time", "late", "dropped", "missed", "lost"):
            sums[name] = sums.get(name, 0) + int(frame.values["results_" + name][0])
        left = sum(sums.values()) - sums["generated"] + int(frame.values["results_in_flight"][0])
        assert sums["generated"] == left


def test_arguments_are_checked(calm: Scenario) -> None:
    for name, value, text in (
        ("horizon", 0.5, "horizon = 0.5 s; allowed: a positive multiple"),
        ("history", 0, "history = 0; allowed: an integer, 1 or more"),
        ("results_per_s", 0.0, "results_per_s = 0.0; allowed: a positive number"),
        ("others", 3, "others = 3; allowed: a policy's name"),
    ):
        with pytest.raises(ValueError, match=text):
            OffloadCore(calm, **{name: value})


def test_rows_that_were_reset_at_different_times_end_at_their_own(calm: Scenario) -> None:
    core = OffloadCore(calm, num_envs=2, interrupt=False)
    alone = play(OffloadCore(calm, interrupt=False), MIXED)
    action = np.tile(np.array(MIXED), (2, 3, 1))
    core.reset(0)
    core.decide(action)
    core.advance()
    frame = core.reset([7, 0], np.array([False, True]))
    ends = []
    for _ in range(3):
        core.decide(action)
        frame = core.advance(frame.truncated)
        ends.append(frame.values["t_s"].tolist())
    # Row 0 began a step earlier: 15 + 15 + 10 s, while row 1 goes on in steps of 15 s.
    assert ends == [[30.0, 15.0], [40.0, 30.0], [0.0, 40.0]]
    assert np.array_equal(frame.observation[1], alone[-1].observation[0]) and frame.team[1] == alone[-1].team[0]
    assert frame.truncated.tolist() == [False, True]
