"""Actions that compiled code reads out of the arrays handed in mean the same as those read in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from octogym.envs import batching_v0, core, plain
from tests.envs.toy_backend import ToyBackend, toy_scenario

ACTION = [1, 5, 1]
WIDE = np.array([[1, -9, 5, -9, 1, -9]], np.int64)


class Own(np.ndarray):
    """A subclass, whose items could be anything."""


def read_only() -> np.ndarray:
    array = np.array(ACTION)
    array.setflags(write=False)
    return array


def unaligned() -> np.ndarray:
    return np.frombuffer(b"\0" + np.array(ACTION, np.int64).tobytes(), np.int64, offset=1)


def decided(make: Callable[[], Any]) -> tuple[dict[str, list[int]], bool]:
    """Settings that the agents' action leads to, and whether compiled code read it."""
    env = batching_v0.parallel_env(backend=ToyBackend(scenario=toy_scenario(((2, 8, 2), (2, 8, 2)))))
    env.reset(seed=0)
    actions = {agent: make() for agent in env.agents}
    alone = env._core.decide_each(tuple(actions.values()))
    env._core.decide(np.zeros((1, 2, 3), np.int64))
    env.step(actions)
    decision = env._core.decision
    return {name: getattr(decision, name)[0].tolist() for name in ("pack", "batch", "pre", "post")}, alone


EXPECTED = {"pack": [2, 2], "batch": [6, 6], "pre": [2, 2], "post": [1, 1]}
PLAIN: list[Callable[[], Any]] = [
    lambda: np.array(ACTION),
    lambda: np.array(ACTION[::-1])[::-1],
    lambda: WIDE[0, ::2],
    lambda: np.stack([np.array(ACTION)] * 4, 1)[:, 2],
    read_only,
]
OTHERS: list[Callable[[], Any]] = [
    unaligned,
    lambda: list(ACTION),
    lambda: np.array(ACTION, np.int32),
    lambda: np.array(ACTION, np.uint64),
    lambda: np.array(ACTION, ">i8"),
    lambda: np.array(ACTION).view(Own),
]


def test_arrays_look_as_stated() -> None:
    assert plain.as_known() and plain.KNOWN


def test_references_are_counted_as_stated() -> None:
    assert plain.as_counted() and plain.COUNTED


@pytest.mark.parametrize("make", PLAIN)
def test_plain_arrays_are_read_as_they_are(make: Callable[[], Any]) -> None:
    assert decided(make) == (EXPECTED, True)


@pytest.mark.parametrize("make", OTHERS)
def test_others_are_read_in_python(make: Callable[[], Any]) -> None:
    assert decided(make) == (EXPECTED, False)


@pytest.mark.parametrize("make", PLAIN + OTHERS)
def test_arrays_of_another_make_are_read_in_python(make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "KNOWN", False)
    assert decided(make) == (EXPECTED, False)


@pytest.mark.parametrize("other", [np.array([1, 5]), np.array([[1, 5, 1]]), np.array(1), np.array(ACTION, float)])
def test_what_is_no_action_is_not_decided(other: np.ndarray) -> None:
    env = batching_v0.parallel_env(backend=ToyBackend())
    env.reset(seed=0)
    before = env._core.decision.copy()
    actions = (*[np.array([0, 0, 0])] * (len(env.agents) - 1), other)
    assert not env._core.decide_each(actions)
    for name in before.FIELDS:
        np.testing.assert_array_equal(getattr(before, name), getattr(env._core.decision, name))
