"""The learner of IPPO and MAPPO, without environments: gradients, bandits with known optimum, its state."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.ppo import network
from octogym.cluster.tensor_file import TensorFileError
from octogym.train.ppo.learner import Learner, Rollout
from octogym.train.ppo.training import PpoConfig

torch = pytest.importorskip("torch")

# Three agents of two kinds, whose heads differ.
KIND = np.array([0, 1, 1])
SIZES = np.array([[2, 8, 2], [1, 3, 4], [1, 3, 4]])
HEADS = (2, 8, 4)
METHODS = pytest.mark.parametrize("method", ["ippo", "mappo"])


def learner(method: str = "ippo", **settings) -> Learner:
    return Learner(PpoConfig(method=method, **settings), KIND, SIZES, 2, HEADS)


def play(agent: Learner, reward, seed: int, count: int = 24, E: int = 6) -> Rollout:
    """A rollout of a contextual bandit: observation 3 is drawn 0 or 1, the rest is noise."""
    generator = np.random.default_rng(seed)
    rollout = Rollout(count, E, len(KIND))
    rollout.observation[:] = generator.normal(size=rollout.observation.shape)
    rollout.observation[..., 3] = generator.integers(2, size=rollout.observation.shape[:-1])
    rollout.present[:] = True
    for t in range(count):
        rollout.action[t] = agent.act(rollout.observation[t], generator.random((E, len(KIND), 3)))
    rollout.reward[:] = reward(rollout.observation[:-1], rollout.action)
    return rollout


def same_batch(observation: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Batch index 2 is right where observation 3 is 1, else index 0; threads index 1 is right always."""
    right = np.where(observation[..., 3] > 0.5, 2, 0)
    return (0.7 * (action[..., 1] == right) + 0.3 * (action[..., 2] == 1)).astype(np.float32)


@METHODS
def test_a_contextual_bandit_is_solved(method):
    agent = learner(method, lr=1e-2)
    for k in range(20):
        agent.learn(play(agent, same_batch, k), k / 20, (0, k))
    seen = play(agent, same_batch, 99)
    assert seen.reward.mean() > 0.93
    # The value is that of what is coming: the mean reward, nearly.
    value = agent.values(torch.from_numpy(seen.observation[:-1]), torch.from_numpy(seen.present[:-1]))
    assert value.mean().item() == pytest.approx(seen.reward.mean() / 0.9, abs=0.15)


@METHODS
def test_every_part_learns_and_what_is_masked_does_not(method):
    agent = learner(method)
    agent.learn(play(agent, same_batch, 0), 0, (0, 0))
    before = agent.state_dict()
    for k in range(1, 3):
        agent.learn(play(agent, same_batch, k), 0, (0, k))
    after = agent.state_dict()
    weights = [name for name in before if name.startswith(("actor/", "critic/"))]
    assert len(weights) > 10
    for name in weights:
        assert not np.array_equal(before[name], after[name]), name
    masked = ~network.head_mask(SIZES, HEADS)[[0, 1]]
    assert (after["actor/kind3"][masked] == 0).all() and (after["actor/kind3"][~masked] != 0).mean() > 0.9
    assert all(np.array_equal(before[name], after[name]) for name in ("fixed/mean", "fixed/scale"))


def test_the_ratio_is_1_before_the_first_step_and_acting_agrees_with_learning():
    agent = learner()
    for k in range(3):
        agent.learn(play(agent, same_batch, k), 0, (0, k))
    seen = play(agent, same_batch, 5)
    chances = network.probabilities(agent.actor_arrays(), seen.observation[:-1], KIND, agent.mask, HEADS)
    taken = [np.take_along_axis(p, seen.action[..., h : h + 1], -1)[..., 0] for h, p in enumerate(chances)]
    log, entropy = agent.log_chances(torch.from_numpy(seen.observation[:-1]), torch.from_numpy(seen.action))
    assert np.abs(log.detach().exp().numpy() - np.prod(taken, 0)).max() < 1e-5
    expected = -sum((p * np.log(np.maximum(p, 1e-30))).sum(-1) for p in chances)
    assert np.abs(entropy.detach().numpy() - expected).max() < 1e-4


@METHODS
def test_an_absent_agents_windows_teach_nothing(method):
    def learned(noise: float) -> dict:
        agent = learner(method)
        for k in range(3):
            rollout = play(agent, same_batch, k)
            rollout.present[:, :4, 1] = False
            rollout.reward[:, :4, 1] += noise
            agent.learn(rollout, 0, (0, k))
        return agent.state_dict()

    one, other = learned(0), learned(100)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_team_shares_its_reward():
    # Agent 0 alone earns, and only by what agent 1 does: with rewards of their own agent 1 learns nothing of it.
    def reward(observation, action):
        found = np.zeros(action.shape[:-1], np.float32)
        found[..., 0] = action[..., 1, 1] == 2
        return found

    share = {}
    for kind in ("own", "team"):
        agent = learner("mappo", lr=1e-2, reward=kind)
        for k in range(15):
            agent.learn(play(agent, reward, k), 0, (0, k))
        share[kind] = play(agent, reward, 99).reward[..., 0].mean()
    assert share["team"] > 0.8 > share["own"] + 0.2


def test_the_first_rollout_only_says_how_observations_are_normalised():
    agent = learner()
    before = agent.state_dict()
    rollout = play(agent, same_batch, 0)
    agent.learn(rollout, 0, (0, 0))
    after = agent.state_dict()
    changed = sorted(name for name in before if not np.array_equal(before[name], after[name]))
    assert changed == ["fixed/mean", "fixed/scale", "normalised"]
    rows = (rollout.observation.reshape(-1, 8) - after["fixed/mean"]) * after["fixed/scale"]
    assert np.abs(rows.mean(0)).max() < 1e-4 and np.abs(rows.std(0) - 1).max() < 1e-3


@METHODS
def test_a_state_goes_on_as_if_nothing_had_happened(method):
    one, other = learner(method), learner(method, seed=3)
    for k in range(3):
        one.learn(play(one, same_batch, k), 0, (0, k))
    other.load("state", one.state_dict())
    for k in range(3, 5):
        for agent in (one, other):
            agent.learn(play(agent, same_batch, k), 0.5, (0, k))
    after, again = one.state_dict(), other.state_dict()
    assert all(after[name].tobytes() == again[name].tobytes() for name in after)


def test_a_state_of_another_method_is_refused():
    with pytest.raises(TensorFileError, match=r"run/state: lacks adam/critic/b1"):
        learner("mappo").load("run/state", learner("ippo").state_dict())
