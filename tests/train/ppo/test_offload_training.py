"""Training the learned offloader on three boards and a hub."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from octogym.agents.ppo import offload_network as network
from octogym.agents.ppo.offload_policy import MappoOffloadPolicy
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError, read_tensors, write_tensors
from octogym.envs.offload.vector import OffloadVectorEnv
from octogym.train.checkpoint import STATE_FILE
from octogym.train.ppo import OffloadPpoConfig, train_offload_ppo
from octogym.train.ppo.offload_learner import Learner, Rollout
from octogym.train.progress import Progress
from octogym.train.settings import SettingError
from tests.envs.offload.small import small
from tests.train.ppo.stopped import stop_at

pytest.importorskip("torch")

# Steps of 15, 15 and 10 s; updates after two and after three.
TINY = {"num_envs": 2, "horizon": 40, "rollout": 2, "quiet": True}


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    return small(tmp_path_factory.mktemp("boards"))


@pytest.fixture(scope="module")
def churning(tmp_path_factory):
    return small(tmp_path_factory.mktemp("churning"), churn=True)


def test_training_beats_what_it_began_with(boards, tmp_path):
    def on_time(file):
        recorder = Runner(make_backend("sim", boards, num_envs=4), MappoOffloadPolicy(str(file))).run(40, 99)
        return np.mean([recorder.episode(e).figures()["on_time_share"] for e in range(4)])

    quick = {"lr": 1e-2, "spread": 0.7, "epochs": 10, "rollout": 1}
    config = OffloadPpoConfig(boards, tmp_path / "run", episodes=8, own=2.0, quiet=True, **quick)
    result = train_offload_ppo(config)
    assert len(result.history) == 8 and not result.interrupted
    began = network.initial(32, np.random.default_rng(0))
    began["kind4"][network.OWN] = 2.0
    first = write_tensors(tmp_path / "began", began, "mappo-offload", {"history": 32, "top_k": 4})
    assert on_time(result.file) > on_time(first) + 0.05


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(churning, tmp_path):
    def trained(name, **settings):
        return train_offload_ppo(OffloadPpoConfig(churning, tmp_path / name, episodes=2, **TINY, **settings)).file

    one, two, other = trained("one"), trained("two"), trained("other", seed=1)
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    about = read_tensors(one, "mappo-offload").about
    assert about["history"] == 32 and about["top_k"] == 4 and about["steps"] == 2 * 3 * 2 * 3


@pytest.mark.parametrize(("owner", "name", "call"), [(Progress, "advance", 2), (Learner, "draw", 9)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(boards, owner, name, call, tmp_path, monkeypatch):
    whole = train_offload_ppo(OffloadPpoConfig(boards, tmp_path / "whole", episodes=4, **TINY))
    with monkeypatch.context() as patch:
        stop_at(patch, owner, name, call)
        part = train_offload_ppo(OffloadPpoConfig(boards, tmp_path / "part", episodes=4, **TINY))
    assert part.interrupted and len(part.history) == 2
    rest = train_offload_ppo(OffloadPpoConfig(boards, tmp_path / "part", episodes=4, resume=True, **TINY))
    assert not rest.interrupted and rest.history == whole.history
    assert rest.file.read_bytes() == whole.file.read_bytes()
    assert (tmp_path / "part" / STATE_FILE).read_bytes() == (tmp_path / "whole" / STATE_FILE).read_bytes()


def test_another_training_or_a_damaged_state_is_not_gone_on_with(boards, tmp_path):
    train_offload_ppo(OffloadPpoConfig(boards, tmp_path, episodes=1, **TINY))
    with pytest.raises(TensorFileError, match=r"another training \(episodes = 1, now 2; gamma = 0.5, now 0.9\)"):
        train_offload_ppo(OffloadPpoConfig(boards, tmp_path, episodes=2, gamma=0.9, resume=True, **TINY))
    with pytest.raises(SettingError, match="resume=True"):
        train_offload_ppo(OffloadPpoConfig(boards, tmp_path, episodes=1, **TINY))
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:-7])
    with pytest.raises(TensorFileError, match=r"state.safetensors"):
        train_offload_ppo(OffloadPpoConfig(boards, tmp_path, episodes=1, resume=True, **TINY))


@pytest.fixture
def seen(monkeypatch):
    """The rollouts that are learned from; nothing is learned."""
    found = []
    losses = {"loss/policy": 0.0}
    monkeypatch.setattr(Learner, "learn", lambda self, rollout, *rest: found.append(rollout) or losses)
    return found


def test_a_horizon_cuts_off_with_the_state_it_cuts_off_in(boards, seen):
    train_offload_ppo(OffloadPpoConfig(boards, episodes=2, **TINY))
    assert [rollout.window_s[:, 0].tolist() for rollout in seen] == [[15, 15], [10]] * 2
    for before, after in pairwise(seen):
        within = after is not seen[2]
        assert np.array_equal(before.observation[-1], after.observation[0]) == within
    assert seen[1].observation[-1].any() and not seen[2].observation[0, ..., :32].any()


def test_clusters_of_an_episode_see_the_same_load_if_asked_to(boards, seen):
    for same in (True, False):
        train_offload_ppo(OffloadPpoConfig(boards, episodes=2, same_load=same, **TINY))
    assert np.array_equal(seen[0].observation[1, 0, :, :32], seen[0].observation[1, 1, :, :32])
    assert not np.array_equal(seen[0].drawn[0, 0], seen[0].drawn[0, 1])


def test_a_step_is_discounted_by_its_seconds_and_cut_off_with_a_value(boards):
    config = OffloadPpoConfig(boards, gamma=0.25, lam=1.0, same_load=False, lr=1e-9, epochs=1, minibatches=1)
    learner = Learner(config, np.array([0, 1, 2]))
    rollout = Rollout(2, 1, 2, 3, 32 + 3 + 8 * 3)
    rollout.observation[:] = np.random.default_rng(0).random(rollout.observation.shape)
    rollout.present[:], rollout.reward[:, 0], rollout.window_s[:, 0] = True, [1.0, 2.0], [15.0, 7.5]
    reached = []
    descend = learner.descend
    learner.descend = lambda *data: (reached.append(data[-1].sum().item()), descend(*data))[1]
    learner.learn(rollout, 0.0, (0,))
    last = float(learner.values(*_inputs(rollout, 2)).detach())
    second = 0.75 * 2 + 0.5 * last
    assert reached[0] == pytest.approx(0.75 * 1 + 0.25 * second + second, rel=1e-5)


def _inputs(rollout, t):
    import torch

    from octogym.agents.ppo.offload_network import inputs

    found = [torch.from_numpy(x)[0] for x in (*inputs(rollout.observation[t], 32), rollout.present[t])]
    return tuple(found[:3]), found[3]


def test_absent_agents_teach_nothing(boards):
    learners = []
    for value in (0.0, 3.0):
        learner = Learner(OffloadPpoConfig(boards), np.array([0, 1, 2]))
        rollout = Rollout(4, 2, 2, 3, 32 + 3 + 8 * 3)
        generator = np.random.default_rng(0)
        rollout.observation[:] = generator.random(rollout.observation.shape)
        rollout.drawn[:] = generator.random(rollout.drawn.shape)
        rollout.reward[:], rollout.window_s[:] = generator.random(rollout.reward.shape), 15
        rollout.present[..., 0] = True
        rollout.drawn[..., 1, :] = value
        rollout.observation[:, :, 1] = value
        learner.learn(rollout, 0.0, (0,))
        learners.append(learner.state_dict())
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(learners[0].values(), learners[1].values(), strict=True))
    nobody = Rollout(4, 2, 2, 3, 32 + 3 + 8 * 3)
    nobody.window_s[:] = 15
    learner.learn(nobody, 0.0, (0,))
    assert all(np.isfinite(array).all() for array in learner.state_dict().values())


@pytest.mark.parametrize("kind", ["boards", "churning"])
def test_what_was_trained_is_a_policy_that_decides_as_in_the_environment(kind, tmp_path, request, monkeypatch):
    scenario = request.getfixturevalue(kind)
    file = train_offload_ppo(OffloadPpoConfig(scenario, tmp_path / "run", episodes=2, own=0.5, **TINY)).file
    trained = read_tensors(file)
    # Two episodes hardly change anything: make what was learned larger.
    trained.arrays["score"] *= 50
    write_tensors(file, trained.arrays, trained.kind, trained.about)
    policy = MappoOffloadPolicy(str(file))
    env = OffloadVectorEnv(2, scenario, rows="agents", horizon=40, autoreset_mode="Disabled")
    sent = []
    step = env.backend.step
    monkeypatch.setattr(env.backend, "step", lambda d: (sent.append(d.share_milli.copy()), step(d))[1])
    observation, _ = env.reset(seed=7)
    policy.reset(scenario.cluster, 2, 7)
    for _ in range(3):
        inputs = network.inputs(observation.reshape(2, 3, -1), policy.history)
        score = network.scores(policy.parameters, *inputs, network.kinds_of(policy.layout))
        observation, _, _, _, _ = env.step(network.actions(score).reshape(6, -1))
    windows = Runner(make_backend("sim", scenario, num_envs=2), MappoOffloadPolicy(str(file))).windows(40, 7)
    stated = [window.decision.share_milli.copy() for window in windows]
    assert len(sent) == 40 and all(np.array_equal(a, b) for a, b in zip(sent, stated, strict=True))
    assert len({tuple(row.ravel().tolist()) for row in stated}) > 2


def test_a_scenario_in_which_nothing_can_be_offloaded_is_refused():
    with pytest.raises(ValueError, match="nothing to offload"):
        train_offload_ppo(OffloadPpoConfig(load_scenario("traffic-2", traces="synthetic"), quiet=True))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"episodes": 0}, "episodes = 0"),
        ({"episodes": 500_000}, "episodes = 500000; allowed: at most 125000"),
        ({"gamma": 1}, "gamma = 1; allowed: a number from 0, below 1"),
        ({"lr": 0}, "lr = 0; allowed: a number above 0"),
        ({"seed": -1}, "seed = -1"),
        ({"num_envs": 1}, "same_load = True; allowed: False where num_envs = 1"),
    ],
)
def test_settings_are_checked(settings, problem):
    with pytest.raises(SettingError, match=problem):
        OffloadPpoConfig(**settings)
