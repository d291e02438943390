"""What a stack of iAgents knows, taken out and put in: of one agent, and of all with what they are in the midst of."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.onboard import IAgentError
from tests.agents.onboard.worlds import changed, copies, make, play


def test_get_and_set_move_an_agent_between_stacks():
    one, many = make(1, seeds=[5]), make(3)
    many.set(1, one.get(0))
    for name, array in one.get(0).items():
        assert np.array_equal(many.get(1)[name], array)
    copy = many.get(1)
    copy["value.b"][:] = 7
    assert many.get(1)["value.b"][0] == 0


def test_set_starts_the_moments_of_what_it_replaces_anew():
    stack = make(2)
    play(stack, 20, np.random.default_rng(0))
    stack.learn()
    stack.set(0, {"value.w": np.ones((48, 1))})
    state = stack.state_dict()
    assert not state["first.value.w"][0].any() and not state["second.value.w"][0].any()
    assert state["first.value.w"][1].any() and state["first.batch.w"][0].any()
    k = stack.layout.names.index("value.w")
    assert state["steps"][0, k] == 0 and state["steps"].sum() == 2 * len(stack.layout.names) - 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"value.b": np.zeros(2)}, "value.b"),
        ({"value.b": np.array([np.nan])}, "finite"),
        ({"value.b": np.array(["x"])}, "value.b"),
        ({"joint.w": np.zeros((48, 30))}, "expected one of"),
        ({"value.b": np.array([1e39])}, "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_damaged_parameters_are_refused_and_nothing_changes(arrays, message):
    stack = make()
    before = copies(stack)
    with pytest.raises(IAgentError, match=message):
        stack.set(0, {"backbone.b1": np.ones(64), **arrays})
    assert not changed(before, stack)


@pytest.mark.parametrize("replace", ["oldest", "least-diverse"])
@pytest.mark.parametrize("cut", [7, 13, 25])
def test_a_loaded_state_goes_on_bit_by_bit(cut, replace):
    switches = {"capacity": 8, "replace": replace, "threshold": 1.5, "fine_tune_steps": 2}
    whole, second = make(2, 2, **switches), make(2, 2, seeds=[1, 2], **switches)

    def live(stack, start, end):
        for window in range(start, end):
            random = np.random.default_rng(window)
            play(stack, 1, random, valid=0.8)
            if window % 12 == 11:
                stack.learn([window // 12 % 2])
            if window % 15 == 14:
                stack.fine_tune()

    live(whole, 0, cut)
    state = whole.state_dict()
    second.load({name: array.copy() for name, array in state.items()})
    live(whole, cut, 40)
    live(second, cut, 40)
    first, other = whole.state_dict(), second.state_dict()
    assert first.keys() == other.keys()
    for name, array in first.items():
        assert np.array_equal(array, other[name]), name
    assert not np.array_equal(state["parameters.batch.w"], first["parameters.batch.w"])


def test_moments_below_zero_are_refused():
    stack = make(2)
    state = stack.state_dict()
    state["second.batch.w"] -= 1
    with pytest.raises(IAgentError, match="second"):
        stack.load(state)


def damage(state, how):
    name, value = how
    if value is None:
        del state[name]
    else:
        state[name] = value(state[name]) if name in state else value(None)
    return state


@pytest.mark.parametrize(
    "how",
    [
        ("buffer.records", None),
        ("surprise", lambda _: np.zeros(1)),
        ("parameters.batch.w", lambda a: a[:, :-1]),
        ("second.batch.w", lambda a: np.full_like(a, np.nan)),
        ("steps", lambda a: a.astype(np.float64)),
        ("sizes", lambda a: a + 1),
        ("buffer.count", lambda a: a + 1000),
        ("last.count", lambda a: a - 1000),
        ("steps", lambda a: a - 1000),
        ("buffer.time", lambda a: a[:, ::-1].copy()),
        ("buffer.records", lambda a: a + 50),
    ],
    ids=lambda how: how[0],
)
def test_a_damaged_state_is_refused_and_nothing_changes(how):
    stack = make(2)
    play(stack, 10, np.random.default_rng(0))
    before = stack.state_dict()
    with pytest.raises(IAgentError, match=how[0]):
        stack.load(damage(stack.state_dict(), how))
    after = stack.state_dict()
    assert all(np.array_equal(array, after[name]) for name, array in before.items())


def test_a_stack_that_only_decides_takes_a_learners_parameters():
    learner, frozen = make(2), make(2, learning=False, seeds=[3, 4])
    frozen.load(learner.state_dict())
    assert all(np.array_equal(array, frozen.parameters[name]) for name, array in learner.parameters.items())
    with pytest.raises(IAgentError, match="missing"):
        learner.load(frozen.state_dict())
