"""A stack of iAgents from outside: deciding, episodes, updates, fine-tuning."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from octogym.agents.onboard import IAgentError, IAgentStack
from tests.agents.onboard.worlds import SIZES, changed, copies, make, play

# ----------------------------------------------------------------------------------------------------------- parameters


def test_names_and_shapes_are_the_agreed_ones():
    shapes = {name: array.shape for name, array in make().get(0).items()}
    assert shapes == {
        "backbone.w1": (8, 64),
        "backbone.b1": (64,),
        "backbone.w2": (64, 48),
        "backbone.b2": (48,),
        "backbone.gain": (48,),
        "backbone.shift": (48,),
        "value.w": (48, 1),
        "value.b": (1,),
        "resolution.w": (48, 2),
        "resolution.b": (2,),
        "batch.w": (50, 5),
        "batch.b": (5,),
        "threads.w": (50, 3),
        "threads.b": (3,),
    }
    reduced = {name: array.shape for name, array in make(variant="reduced").get(0).items()}
    assert reduced["joint.w"] == (48, 30) and reduced["joint.b"] == (30,)
    assert not any(name in reduced for name in ("backbone.gain", "batch.w", "resolution.w", "threads.w"))


@pytest.mark.parametrize(
    ("sizes", "count"), [((1, 64, 4), 7290), ((4, 16, 4), 5097), ((1, 8, 2), 4390), ((4, 64, 4), 7641)]
)
def test_parameters_number_what_the_published_network_has(sizes, count):
    assert sum(array.size for array in make(sizes=sizes).get(0).values()) == count


def test_an_agents_start_depends_on_its_seed_alone():
    stack = make(3, seeds=[7, 8, 7])
    alone = make(1, seeds=[8])
    for name, array in stack.parameters.items():
        assert np.array_equal(array[0], array[2])
        assert np.array_equal(array[1], alone.parameters[name][0])
    w = stack.get(1)["backbone.w2"]
    limit = (6 / (64 + 48)) ** 0.5
    assert np.abs(w).max() <= limit and np.abs(w).max() > 0.95 * limit
    assert not stack.get(1)["backbone.b1"].any() and (stack.get(1)["backbone.gain"] == 1).all()


# ------------------------------------------------------------------------------------------------------------- deciding


@pytest.mark.parametrize("variant", ["fcpo", "reduced"])
@pytest.mark.parametrize("sizes", [(1, 8, 2), SIZES, (1, 1, 1), (4, 64, 4)], ids=str)
def test_agents_of_a_stack_decide_bit_for_bit_as_alone(variant, sizes):
    stack = make(5, sizes=sizes, variant=variant)
    alone = [make(1, sizes=sizes, variant=variant, seeds=[10 + i]) for i in range(5)]
    random = np.random.default_rng(0)
    for _ in range(200):
        observation, u = random.random((5, 1, 8)).astype(np.float32), random.random((5, 1, 3))
        actions = stack.decide(observation, u)
        assert actions.dtype == np.int64 and (actions >= 0).all() and (actions < sizes).all()
        for i, one in enumerate(alone):
            assert np.array_equal(one.decide(observation[i : i + 1], u[i : i + 1])[0], actions[i])


def test_actions_follow_the_probabilities():
    stack = make(1, 2000, learning=False)
    observation = np.full((1, 2000, 8), 0.3, np.float32)
    actions = stack.decide(observation, np.random.default_rng(0).random((1, 2000, 3)))
    p = stack._network.p[0, 0]
    for head, at in enumerate((0, 2, 7)):
        share = np.bincount(actions[0, :, head], minlength=SIZES[head]) / 2000
        np.testing.assert_allclose(share, p[at : at + SIZES[head]], atol=0.04)


def test_a_joint_head_reaches_every_action():
    stack = make(1, 3000, learning=False, sizes=(2, 3, 2), variant="reduced")
    u = np.zeros((1, 3000, 3))
    u[0, :, 0] = np.arange(3000) / 3000
    actions = stack.decide(np.zeros((1, 3000, 8), np.float32), u)[0]
    assert len(np.unique(actions, axis=0)) == 12
    index = (actions[:, 0] * 3 + actions[:, 1]) * 2 + actions[:, 2]
    assert (np.diff(index) >= 0).all()


def test_bad_input_is_refused():
    stack = make(2, 1)
    observation, u = np.zeros((2, 1, 8), np.float32), np.zeros((2, 1, 3))
    with pytest.raises(IAgentError, match="shapes"):
        stack.decide(observation[:1], u)
    with pytest.raises(IAgentError, match="shapes"):
        stack.decide(observation, u[..., :2])
    observation[1, 0, 3] = np.nan
    with pytest.raises(IAgentError, match="not finite"):
        stack.decide(observation, u)
    stack.decide(np.zeros_like(observation), u)
    with pytest.raises(IAgentError, match="not finite"):
        stack.reward(np.array([[0.0], [np.nan]]), np.ones((2, 1), bool))
    stack.reward(np.array([[0.0], [np.nan]]), np.array([[True], [False]]))
    assert stack.experiences.tolist() == [[1], [0]]
    with pytest.raises(IAgentError, match="agents"):
        stack.learn([2])
    with pytest.raises(IAgentError, match="agents"):
        stack.learn([0, 0])
    with pytest.raises(IAgentError, match="sizes"):
        make(sizes=(0, 8, 2))
    with pytest.raises(IAgentError, match="seeds"):
        IAgentStack(SIZES, 2, 1, seeds=[1])


def test_a_stack_that_only_decides_does_not_change():
    stack = make(2, 3, learning=False)
    before = copies(stack)
    play(stack, 10, np.random.default_rng(0))
    assert not changed(before, stack)
    with pytest.raises(IAgentError, match="learning=True"):
        stack.learn()


# ------------------------------------------------------------------------------------------------------------- episodes


def test_an_episode_of_n_windows_yields_n_minus_1_experiences():
    stack = make(2, 2, capacity=200)
    random = np.random.default_rng(0)
    for _ in range(3):
        play(stack, 30, random)
        report = stack.learn()
        assert report.experiences.tolist() == [58, 58]
        assert not stack.experiences.any()


def test_the_mean_reward_counts_every_reward_of_the_episode_but_the_first():
    stack = make(1, 1, capacity=4, threshold=1e9)
    random = np.random.default_rng(0)
    play(stack, 5, random)
    stack.learn()
    ok, u = np.ones((1, 1), bool), np.zeros((1, 1, 3))
    for r in [9.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]:
        stack.reward(np.full((1, 1), r), ok)
        stack.decide(np.zeros((1, 1, 8), np.float32), u)
    report = stack.learn()
    assert report.reward[0] == pytest.approx(0.35)
    assert report.experiences[0] == 4
    assert np.isnan(stack.learn().reward[0])


def test_experiences_without_a_valid_reward_are_dropped():
    stack = make(1, 2, capacity=50)
    valid = np.array([[True, False]])
    for _ in range(10):
        stack.reward(np.zeros((1, 2)), valid)
        stack.decide(np.zeros((1, 2, 8), np.float32), np.zeros((1, 2, 3)))
    assert stack.experiences.tolist() == [[9, 0]]


def test_agents_end_their_episodes_apart():
    stack = make(3, 2)
    play(stack, 12, np.random.default_rng(0))
    before = copies(stack)
    report = stack.learn([2, 0])
    assert report.agents.tolist() == [2, 0]
    assert stack.experiences.sum(-1).tolist() == [0, 22, 0]
    for name, array in stack.parameters.items():
        assert np.array_equal(array[1], before[name][1])
        assert not np.array_equal(array[0], before[name][0]), name


@pytest.mark.parametrize(
    "switches", [{}, {"variant": "reduced"}, {"loss": "released"}, {"epochs": 3, "max_grad_norm": 0.5}], ids=str
)
def test_a_stack_learns_as_each_agent_alone(switches):
    """Different experiences, validity and episode ends; 1e-6 and the same actions."""
    sizes, n, rows = (2, 8, 2), 3, 2
    stack = make(n, rows, sizes=sizes, capacity=8, **switches)
    alone = [make(1, rows, sizes=sizes, capacity=8, seeds=[10 + i], **switches) for i in range(n)]
    random = np.random.default_rng(0)
    for window in range(1, 61):
        r, valid = random.uniform(-1, 1, (n, rows)), random.random((n, rows)) < [[0.9], [0.4], [1.0]]
        observation, u = random.random((n, rows, 8)).astype(np.float32), random.random((n, rows, 3))
        stack.reward(r, valid)
        actions = stack.decide(observation, u)
        for i, one in enumerate(alone):
            one.reward(r[i : i + 1], valid[i : i + 1])
            assert np.array_equal(one.decide(observation[i : i + 1], u[i : i + 1])[0], actions[i])
        ended = [i for i, length in enumerate((10, 12, 15)) if window % length == 0]
        if ended:
            report = stack.learn(ended)
            for k, i in enumerate(ended):
                assert alone[i].learn().loss[0] == pytest.approx(report.loss[k], rel=1e-5, abs=1e-6)
    for i, one in enumerate(alone):
        for name, array in one.get(0).items():
            np.testing.assert_allclose(stack.get(i)[name], array, rtol=0, atol=1e-6)


def test_before_the_first_step_the_ratio_is_one():
    # With advantages of 1 and no factor the policy loss is minus the mean ratio.
    stack = make(1, 1, sizes=(4, 16, 4), reward_factor=False, gamma=0.0, capacity=50)
    stack.set(0, {"value.w": np.zeros((48, 1)), "value.b": np.zeros(1)})
    random = np.random.default_rng(0)
    for _ in range(40):
        stack.reward(np.ones((1, 1)), np.ones((1, 1), bool))
        stack.decide(random.random((1, 1, 8)).astype(np.float32), random.random((1, 1, 3)))
    assert stack.learn().policy_loss[0] == pytest.approx(-1, abs=1e-5)


# ------------------------------------------------------------------------------------------------- gate and fine-tuning


def test_the_gate_skips_small_losses_unless_forced():
    stack = make(2, 1, gate=1e3)
    random = np.random.default_rng(0)
    before = copies(stack)
    play(stack, 20, random)
    report = stack.learn()
    assert report.skipped.all() and not changed(before, stack) and (report.loss != 0).all()
    assert not stack.experiences.any()
    play(stack, 20, random)
    report = stack.learn([1], force=True)
    assert not report.skipped.any()
    assert not np.array_equal(before["value.w"][1], stack.parameters["value.w"][1])
    assert np.array_equal(before["value.w"][0], stack.parameters["value.w"][0])


def test_the_gate_looks_at_each_agent():
    stack = make(2, 1)
    random = np.random.default_rng(0)
    play(stack, 20, random)
    losses = np.abs(dataclasses.replace(stack.learn()).loss)
    gated = make(2, 1, gate=float(losses.mean()))
    play(gated, 20, np.random.default_rng(0))
    assert gated.learn().skipped.tolist() == (losses < losses.mean()).tolist()


def test_nothing_kept_is_nothing_learned():
    stack = make(2, 1)
    before = copies(stack)
    report = stack.learn(force=True)
    assert report.skipped.all() and not changed(before, stack) and report.experiences.tolist() == [0, 0]
    stack.decide(np.zeros((2, 1, 8), np.float32), np.zeros((2, 1, 3)))
    stack.reward(np.ones((2, 1)), np.array([[True], [False]]))
    report = stack.learn()
    assert report.skipped.tolist() == [False, True]


def test_fine_tuning_moves_the_heads_and_nothing_else():
    stack = make(3, 2, fine_tune_steps=2)
    assert np.isnan(stack.fine_tune()).all()
    play(stack, 20, np.random.default_rng(0))
    stack.learn([0, 2])
    stack.set(0, make(1, seeds=[99]).get(0))
    before, moments = copies(stack), stack.state_dict()
    losses = stack.fine_tune()
    assert np.isnan(losses).tolist() == [False, True, False]
    heads = {"resolution.w", "resolution.b", "batch.w", "batch.b", "threads.w", "threads.b"}
    assert changed(before, stack) == heads
    for name in heads:
        assert np.array_equal(stack.parameters[name][1], before[name][1])
    after = stack.state_dict()
    for part in ("first", "second"):
        for name in set(before) - heads:
            assert np.array_equal(moments[part + "." + name], after[part + "." + name])
    again = stack.fine_tune([0])
    assert again[0] < losses[0]


def test_clear_forgets_the_running_episode():
    stack = make(2, 1)
    play(stack, 10, np.random.default_rng(0))
    stack.clear([1])
    assert stack.experiences.tolist() == [[9], [0]]
    stack.reward(np.ones((2, 1)), np.ones((2, 1), bool))
    assert stack.experiences.tolist() == [[10], [0]]
