"""What a step has handed out stays as it is for as long as anybody holds it, although it serves again afterwards."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.registry import load_scenario
from octogym.envs import plain
from octogym.envs.batching_v0 import BatchingParallelEnv
from octogym.envs.handed import Frames
from octogym.envs.lazy import LazyDict
from octogym.envs.vector import BatchingVectorEnv
from tests.cluster import small_scenario

STEPS = 40
Result = tuple[list[np.ndarray], np.ndarray, list[Any]]


class Driven:
    """An environment of one kind; `step` gives observations, rewards and infos, in the order of its agents or rows."""

    def __init__(self, kind: str, scenario: Path, again: bool = True) -> None:
        loaded = load_scenario(str(scenario))
        self.kind = kind
        if kind == "parallel":
            self.env: Any = BatchingParallelEnv(loaded, horizon=12)
        elif kind == "vector":
            self.env = BatchingVectorEnv(2, loaded, "agents", horizon=12)
        else:
            sb3 = pytest.importorskip("octogym.envs.adapters.sb3", exc_type=ImportError)
            self.env = sb3.BatchingVecEnv(2, loaded, kind.partition("-")[2], others=None, horizon=12)
        self.core = self.env._core
        if not again:
            self.core.frames = Frames(self.core.constants, self.core._keys, self.core.E, self.core.S, False)
        self.rng = np.random.default_rng(3)
        self.env.seed(5) if "sb3" in kind else None
        self.env.reset() if "sb3" in kind else self.env.reset(seed=5)

    def step(self) -> Result:
        core, env = self.core, self.env
        if self.kind == "parallel":
            if not env.agents:
                env.reset()
            actions = self.rng.integers(0, core.accepted, (core.S, 3))
            observations, rewards, _, _, infos = env.step(dict(zip(env.agents, actions, strict=True)))
            return list(observations.values()), np.array([*rewards.values()]), [infos]
        space = env.action_space if "sb3" in self.kind else env.single_action_space
        actions = self.rng.integers(0, space.nvec, (env.num_envs, *space.shape))
        result = env.step(actions)
        infos = result[-1]
        return [result[0]], result[1], list(infos) if isinstance(infos, list) else [infos]


KINDS = ("parallel", "vector", "sb3-agents", "sb3-envs", "sb3-central")


def all_of(info: Any) -> Any:
    """What an info shows, as something that a later step cannot change and that compares."""
    if isinstance(info, dict):
        return {key: all_of(value) for key, value in info.items()}
    return info.tolist() if isinstance(info, np.ndarray) else repr(info)


# --- what people do with what they get -------------------------------------------------------------------------------
def an_info(result: Result) -> Any:
    """One agent's, without looking into it."""
    info = result[2][-1]
    inner = dict.get(info, first_key(info))
    return inner if isinstance(inner, dict) else info


def first_key(info: dict[str, Any]) -> str:
    """Of what is there before anybody has asked."""
    return next(dict.__iter__(info), "t_s")


def in_place(name: str, value: Any) -> Callable[[Result], None]:
    def change(result: Result) -> None:
        with warnings.catch_warnings():  # NumPy means to give some of these up
            warnings.simplefilter("ignore", DeprecationWarning)
            setattr(result[0][-1], name, value(result[0][-1]))

    return change


def lock(result: Result) -> None:
    result[0][0].flags.writeable = False


def write(result: Result) -> None:
    result[0][0][...] = 9


def add(result: Result) -> None:
    an_info(result)["mine"] = 1


def replace(result: Result) -> None:
    info = an_info(result)
    dict.update(info, dict.fromkeys(dict.keys(info), "mine"))


def drop(result: Result) -> None:
    an_info(result).popitem()


def swap(result: Result) -> None:
    info = an_info(result)
    info.clear()
    info["slo_s"] = "mine"


def put(result: Result) -> None:
    result[2][0][first_key(result[2][0])] = "mine"


CHANGES: dict[str, Callable[[Result], None]] = {
    "shape": in_place("shape", lambda x: (x.size // 2, 2)),
    "strides": in_place("strides", lambda x: (0,) * x.ndim),
    "type": in_place("dtype", lambda x: np.int32),
    **{f.__name__: f for f in (lock, write, add, replace, drop, swap, put)},
}
#: What is kept of a result, and what it shows (now, or when it is asked later).
KEPT: dict[str, Callable[[Result], tuple[Any, Callable[[Any], Any]]]] = {
    "observation": lambda r: (r[0][-1], np.copy),
    "part": lambda r: (r[0][-1][..., 2:5], np.copy),
    "bytes": lambda r: (memoryview(r[0][0]), bytes),
    "reference": lambda r: (weakref.ref(r[0][0]), lambda there: None if there() is None else there().copy()),
    "reward": lambda r: (r[1], np.copy),
    "copy of an info": lambda r: (an_info(r).copy(), all_of),
}
OPERATIONS = ("nothing", "nothing", "nothing", "compare", *CHANGES, *(f"keep {name}" for name in (*KEPT, "infos")))


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_scenario.write(tmp_path_factory.mktemp("scenario"))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(operations=st.lists(st.sampled_from(OPERATIONS), min_size=STEPS, max_size=STEPS))
def test_it_is_as_if_every_step_had_arrays_of_its_own(kind: str, scenario: Path, operations: list[str]) -> None:
    tested, twin = Driven(kind, scenario), Driven(kind, scenario, again=False)
    kept: list[tuple[Any, Callable[[Any], Any], Any]] = []
    for operation in operations:
        result, expected = tested.step(), twin.step()
        for own, other in zip(result[0], expected[0], strict=True):
            assert own.dtype == other.dtype and own.shape == other.shape and own.strides == other.strides
            assert own.flags.writeable and np.array_equal(own, other)
        assert np.array_equal(result[1], expected[1])
        assert "mine" not in an_info(result) and all(info.get("mine") is None for info in result[2])
        if operation == "compare":
            assert all_of(result[2]) == all_of(expected[2])
        elif operation == "keep infos":
            # They are read when the episode may be over for long.
            kept.append((result[2], all_of, all_of(expected[2])))
        elif operation.startswith("keep "):
            held, shows = KEPT[operation[5:]](result)
            now = shows(held)
            if operation != "keep reference" or now is not None:
                kept.append((held, shows, now))
        elif operation != "nothing":
            CHANGES[operation](result)
        del result
    for held, shows, before in kept:
        now = shows(held)
        if isinstance(held, weakref.ref) and now is None:
            continue
        assert all_of(now) == all_of(before)


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_holds_serves_again(kind: str, scenario: Path) -> None:
    if not plain.COUNTED:
        pytest.skip("references are not counted as in CPython with its lock")
    env, seen = Driven(kind, scenario), set()
    for _ in range(10):
        result = env.step()
        seen.add(id(env.core.frame))
    gc.collect()
    assert len(seen) == 2, result[1]


def test_a_learner_that_keeps_all_is_rarely_watched_and_one_that_stops_gets_the_same_again(scenario: Path) -> None:
    env = Driven("parallel", scenario)
    held, watched = [], 0
    for _ in range(300):
        held.append(env.step()[0])
        watched += env.core.frames.last.watched
    assert len({x.ctypes.data for step in held for x in step}) == sum(map(len, held))
    assert watched < 20
    held.clear()
    seen = set()
    for step in range(530):
        env.step()
        if step >= 520:
            seen.add(id(env.core.frame))
    assert len(seen) == 2


def test_infos_of_a_user_s_own_are_not_the_environment_s(scenario: Path) -> None:
    env = Driven("sb3-agents", scenario)
    for _ in range(6):
        infos = env.step()[2]
        assert all(type(info) is LazyDict and info["slo_s"] == 0.2 for info in infos)
        infos[0]["slo_s"] = 7.0
