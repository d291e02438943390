"""Best in hindsight."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from octogym.agents.candidates import initial
from octogym.agents.errors import PolicyError
from octogym.agents.hindsight import LEVELS, Effort, HindsightPolicy, _Search
from octogym.agents.random import RandomPolicy
from octogym.agents.sharing import Sharing
from octogym.agents.static import StaticPolicy
from octogym.agents.tuned_static import TunedStaticPolicy, tuned_file
from octogym.agents.tuning import Budget
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.settings import KEEP_SHARE

from .conftest import play, traffic

EFFORT = "block=5,look=3,rounds=2,rows=12"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    budget = Budget(seeds=(0,), horizon_s=20, sweeps=1)
    return tuned_file(traffic("train"), budget, tmp_path_factory.mktemp("tuned") / "tuned.json")


@pytest.fixture(scope="module")
def campus():
    return load_scenario("campus-8", traces="synthetic", split="test")


def share(episodes) -> float:
    return float(np.mean([episode.figures()["on_time_share"] for episode in episodes]))


def test_it_does_at_least_as_well_as_the_tuned_settings_that_it_starts_from(scenario, tuned):
    reference = share(play(scenario, HindsightPolicy(f"{EFFORT},start={tuned}"), 40, num_envs=2))
    assert reference >= share(play(scenario, TunedStaticPolicy(str(tuned)), 40, num_envs=2))


def test_the_same_run_gives_the_same_decisions(scenario):
    runs = [play(scenario, HindsightPolicy(EFFORT), 15, seed=2)[0] for _ in range(2)]
    for name in ("batch", "pack", "pre", "post"):
        assert np.array_equal(runs[0].instances[name], runs[1].instances[name])


def test_settings_change_at_the_blocks_only():
    # Crowds that hardly stay: no setting is right for long.
    restless = load_scenario("traffic-2", {"programme.crowds.dwell_s": [4, 8]}, traces="synthetic", split="test")
    (episode,) = play(restless, HindsightPolicy(EFFORT), 40)
    batch = episode.instances["batch"].reshape(8, 5, -1)
    assert (batch == batch[:, :1]).all()
    assert (batch != batch[0]).any()


class Watched(HindsightPolicy):
    """Keeps the shares that it decides."""

    def reset(self, cluster, num_envs, seed):
        self.shares = []
        super().reset(cluster, num_envs, seed)

    def act(self, view):
        decision = super().act(view)
        self.shares.append(decision.share_milli[0].copy())
        return decision


def test_a_later_round_joins_the_shares_that_served_each_camera_best(campus):
    search = _Search(campus, 0, Effort(rows=4), [initial(campus)])
    rows = [replace(search.best, shares=search.sharing.divided(keep, 0.1)) for keep in (0.1, 0.3, 0.5, 0.7)]
    results = np.zeros((4, campus.cluster.C), np.int64)
    best = np.arange(campus.cluster.C) % 4  # row of each camera
    results[best, np.arange(campus.cluster.C)] = 1
    load = np.full(len(search.sharing.groups), 10.0)
    joined, balanced, *_ = search._vary(rows, results, rows[0], load, np.random.default_rng(0))
    for group in search.sharing.groups:
        (camera,) = np.flatnonzero(search.served[group.source])
        np.testing.assert_array_equal(joined.shares[group.routes], rows[best[camera]].shares[group.routes])
    # Shares for the load are tried with the settings that won, and nothing else changed.
    np.testing.assert_array_equal(balanced.settings, rows[0].settings)
    np.testing.assert_array_equal(balanced.shares, search.sharing.balanced(load, LEVELS[0]))


def test_where_devices_can_hand_work_on_it_chooses_shares_block_by_block(campus):
    policy = Watched(EFFORT)
    (episode,) = play(campus, policy, 20)
    (local,) = play(campus, StaticPolicy(), 20)
    assert episode.figures()["on_time_share"] > local.figures()["on_time_share"] + 0.1
    shares = np.array(policy.shares).reshape(4, 5, -1)
    assert (shares == shares[:, :1]).all()
    assert (shares != shares[0]).any()


def test_shares_where_there_is_no_choice_are_left_to_others(scenario):
    policy = Watched(EFFORT)
    play(scenario, policy, 5)
    assert (np.array(policy.shares) == KEEP_SHARE).all()


def test_it_does_at_least_as_well_as_the_shares_that_it_starts_from(campus, tmp_path):
    file = tmp_path / "tuned.json"
    sharing = Sharing(campus)
    shares = sharing.table(sharing.divided(0.4, 0.3))
    file.write_text(json.dumps({"settings": {"*": {"batch": 2}}, "shares": shares}))
    reference = share(play(campus, HindsightPolicy(f"{EFFORT},start={file}"), 20))
    assert reference >= share(play(campus, StaticPolicy(str(file)), 20))


def test_it_does_not_run_on_what_it_cannot_foresee(scenario):
    class Elsewhere:
        scope, period_s = "agent", 1.0

        def __init__(self):
            self.inner = RandomPolicy()

        def reset(self, cluster, num_envs, seed):
            self.inner.reset(cluster, num_envs, seed)

        def act(self, view):
            decision = self.inner.act(view)
            for name in ("pack", "batch", "pre", "post"):
                getattr(decision, name)[:] = -1
            decision.active[:, -1] = view.step % 2
            return decision

        def feedback(self, reward, view):
            pass

    runner = Runner(make_backend("sim", scenario), [HindsightPolicy(EFFORT), Elsewhere()])
    with pytest.raises(PolicyError, match="must decide alone"):
        list(runner.windows(12))


def test_it_needs_the_simulator(scenario):
    class Rack:
        def __init__(self, inner):
            self.inner, self.cluster, self.num_envs, self.scenario = inner, inner.cluster, 1, inner.scenario

        def reset(self, seed=None, mask=None, options=None):
            return self.inner.reset(seed)

    with pytest.raises(PolicyError, match="needs the simulator"):
        list(Runner(Rack(make_backend("sim", scenario)), HindsightPolicy(EFFORT)).windows(1))


@pytest.mark.parametrize("argument", ["blocks=3", "block=0", "rows=x", "start="])
def test_arguments_that_cannot_be_read_are_refused(argument):
    with pytest.raises(PolicyError, match=r"expected KEY=NUMBER or start=FILE"):
        HindsightPolicy(argument)


def test_a_scenario_whose_traces_end_is_searched_up_to_its_end():
    scenario = load_scenario("traffic-2", traces="synthetic", horizon_s=12)
    (episode,) = play(scenario, HindsightPolicy(EFFORT), 12)
    assert len(episode.t_ns) == 12
