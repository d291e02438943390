"""A recorded run drives the simulator: the same frames, objects, link rates and absences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("pyarrow")

from octogym.bridge.recorded_traces import recorded_scenario
from octogym.bridge.recorder import RecordingBackend
from octogym.bridge.recording import RecordingError
from octogym.cluster.decision import Decision
from octogym.cluster.errors import ScenarioError
from octogym.cluster.registry import load_scenario
from octogym.sim import SimBackend

CHURN = {"programme.churn": {"present_s": [4, 9], "absent_s": [2, 5], "devices": ["cam-2"]}}


def play(backend, windows, seed=1):
    seen = [backend.reset(seed).copy()]
    return seen + [backend.step(Decision.keep(backend.cluster)).copy() for _ in range(windows)]


def recorded(backend, file, windows, seed=1):
    backend = RecordingBackend(backend, file)
    seen = play(backend, windows, seed)
    backend.close()
    return seen


@pytest.mark.parametrize(
    ("name", "changes"), [("traffic-2", {}), ("traffic-2", CHURN), ("campus-8", {})], ids=["traffic", "churn", "campus"]
)
def test_the_simulator_meets_what_was_recorded(name, changes, tmp_path):
    scenario = load_scenario(name, changes)
    was = recorded(SimBackend(scenario), tmp_path / "run.parquet", 24)
    again = recorded_scenario(tmp_path / "run.parquet")
    assert again.name == f"{name}-recorded" and again.horizon_s == 24 and again.cluster == scenario.cluster
    assert any((t.present == 0).any() for t in was[1:]) == bool(changes)
    for seed in (0, 7):
        for k, (one, two) in enumerate(zip(was, play(SimBackend(again), 24, seed), strict=True)):
            for field in ("frames", "objects", "present"):
                np.testing.assert_array_equal(getattr(one, field), getattr(two, field), err_msg=f"{field}, window {k}")
            if k:  # at the reset nothing is known of links
                np.testing.assert_array_equal(one.bandwidth_bps, two.bandwidth_bps)


def test_classes_of_objects_are_told_apart(tmp_path):
    """Cars and persons make different numbers of results; their mix is that of the run."""
    scenario = load_scenario("fcpo-testbed")
    was = recorded(SimBackend(scenario), tmp_path / "run.parquet", 30)
    again = play(SimBackend(recorded_scenario(tmp_path / "run.parquet")), 30)
    ones, twos = was[-1].total_generated.sum(), again[-1].total_generated.sum()
    assert ones == pytest.approx(twos, rel=0.02)
    arrived = [t.total_arrived.reshape(-1).astype(float) for t in (was[-1], again[-1])]
    assert np.corrcoef(*arrived)[0, 1] > 0.99


class Silent(SimBackend):
    """A device that is not heard of from window 5 to 8; its counts come after, as a rack's do, or never."""

    def __init__(self, scenario, comes_back):
        super().__init__(scenario)
        self._comes_back = comes_back

    def reset(self, *arguments, **words):
        self._window, self._held = 0, np.zeros(2, np.int64)
        return super().reset(*arguments, **words)

    def step(self, decision):
        t = super().step(decision).copy()
        mine = self._mine = np.array([instance.device == 0 for instance in self.cluster.instances])
        self._window += 1
        self._covers = np.ones((1, self.cluster.S))
        if 5 <= self._window <= 8:
            self._held += [t.frames[0, 0], t.objects[0, 0]]
            t.frames[0, 0] = t.objects[0, 0] = t.present[0, 0] = 0
            t.valid[0, mine], t.age_ns[0, mine] = 0, (self._window - 4) * 1_000_000_000
            self._covers[0, mine] = 0
        elif self._window == 9 and self._comes_back:
            t.frames[0, 0] += self._held[0]
            t.objects[0, 0] += self._held[1]
            self._covers[0, mine] = 5
        return t

    def agent_facts(self):
        none = np.zeros((1, self.cluster.S), np.int64)
        covers = getattr(self, "_covers", none.astype(float)) if self._window else none.astype(float)
        words = np.full((1, self.cluster.S), "", object)
        counts = dict.fromkeys(("late", "missed", "acted_window"), none)
        return {**counts, "fault": words, "safe_active": none > 0, "window_s": covers}


def test_a_link_that_was_lost_is_no_device_that_was_away(tmp_path):
    scenario = load_scenario("traffic-2")
    truth = play(SimBackend(scenario), 14)
    recorded(Silent(scenario, comes_back=True), tmp_path / "late.parquet", 14)
    again = play(SimBackend(recorded_scenario(tmp_path / "late.parquet")), 14)
    for one, two in zip(truth, again, strict=True):
        np.testing.assert_array_equal(one.frames, two.frames)
        assert two.present.all()
    objects = [np.array([t.objects[0, 0] for t in run]) for run in (truth, again)]
    assert objects[0].sum() == objects[1].sum() and objects[0][5:10].sum() == objects[1][5:10].sum()
    np.testing.assert_array_equal(np.delete(objects[0], range(5, 10)), np.delete(objects[1], range(5, 10)))
    recorded(Silent(scenario, comes_back=False), tmp_path / "gone.parquet", 14)
    again = play(SimBackend(recorded_scenario(tmp_path / "gone.parquet")), 14)
    away = [not t.present[0, 0] for t in again]
    assert away == [5 <= k <= 8 for k in range(15)]
    assert [t.frames[0, 0] for t in again] == [0 if 5 <= k <= 8 or k == 0 else truth[1].frames[0, 0] for k in range(15)]


class Unmeasured(SimBackend):
    """Rates of links are not known, which a rack says with 0."""

    def step(self, decision):
        t = super().step(decision).copy()
        t.bandwidth_bps[:] = 0
        return t


def test_a_link_of_which_nothing_is_known_has_no_outage(tmp_path):
    recorded(Unmeasured(load_scenario("traffic-2")), tmp_path / "run.parquet", 3)
    again = play(SimBackend(recorded_scenario(tmp_path / "run.parquet")), 3)
    assert (again[-1].bandwidth_bps == 1_000_000_000).all()


def test_a_recorded_scenario_begins_where_it_is_told_and_is_otherwise_as_it_is(tmp_path):
    recorded(SimBackend(load_scenario("traffic-2")), tmp_path / "run.parquet", 12)
    scenario = recorded_scenario(tmp_path / "run.parquet")
    whole, backend = play(SimBackend(scenario), 12), SimBackend(scenario)
    backend.reset(1, options={"trace_offset_s": 5})
    later = [backend.step(Decision.keep(backend.cluster)).copy() for _ in range(9)]
    np.testing.assert_array_equal([t.objects[0] for t in later[:7]], [t.objects[0] for t in whole[6:]])
    assert not any(t.frames.any() for t in later[7:])  # after its end nothing is known
    with pytest.raises(ScenarioError, match="overrides"):
        backend.reset(1, options={"overrides": {"load": 2}})
    with pytest.raises(ScenarioError, match="trace_offset_s"):
        backend.reset(1, options={"trace_offset_s": -1})
    with pytest.raises(RecordingError, match="episode 1; there are 1"):
        recorded_scenario(tmp_path / "run.parquet", 1)


def test_an_episode_of_no_window_is_no_scenario(tmp_path):
    recorded(SimBackend(load_scenario("traffic-2")), tmp_path / "run.parquet", 0)
    with pytest.raises(RecordingError, match="of 0 windows"):
        recorded_scenario(tmp_path / "run.parquet")


def test_frame_rates_that_no_window_holds_a_whole_number_of(tmp_path):
    scenario = load_scenario("traffic-2")
    cameras = tuple(replace(camera, fps=12.5) for camera in scenario.cluster.cameras)
    scenario = replace(scenario, cluster=replace(scenario.cluster, cameras=cameras, index={}))
    was = recorded(SimBackend(scenario), tmp_path / "run.parquet", 20)
    again = play(SimBackend(recorded_scenario(tmp_path / "run.parquet")), 20)
    assert abs(sum(t.frames.sum() for t in was) - sum(t.frames.sum() for t in again)) <= 2
    objects = [sum(t.objects.sum() for t in run) for run in (was, again)]
    assert objects[1] == pytest.approx(objects[0], rel=0.03)
