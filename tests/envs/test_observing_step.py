"""Environments observed within the simulator's step, one by one, are what they are when observed after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario
from octogym.envs.columns import SUMS
from octogym.envs.core import BatchingCore
from octogym.envs.frame import Frame
from octogym.envs.opening import observing_step
from octogym.sim import SimBackend
from tests.cluster import small_scenario
from tests.envs.toy_backend import ToyBackend

CHURN = """
[programme.churn]
present_s = 4
absent_s = 3
devices = "*"
"""


class Replaced(SimBackend):
    """Does something after the step, which observations must show."""

    def step(self, decision):
        t = super().step(decision)
        t.queue[:] = 7
        return t


def core_of(tmp_path: Path, num_envs: int = 3, threads: int = 1, churn: bool = True) -> BatchingCore:
    path = small_scenario.write(tmp_path)
    if churn:
        path.write_text(path.read_text() + CHURN)
    return BatchingCore(load_scenario(str(path)), num_envs=num_envs, horizon=12, threads=threads)


def values(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    return frame.values[:, :-1], frame.values[:, -1, :SUMS]


def history(core: BatchingCore, steps: int = 30) -> list[bytes]:
    """All that steps give, over the ends of episodes and resets of one environment."""
    rng, told = np.random.default_rng(0), []
    core.reset(5)
    for step in range(steps):
        core.decide(rng.integers(0, core.accepted, (core.E, core.S, 3)))
        frame = core.advance()
        told += [x.tobytes() for x in (frame.eight, frame.reward, *values(frame), core.present, core.clock)]
        ended = frame.truncated
        told.append(repr((ended if ended is None else ended.tolist(), frame.figures)).encode())
        if step == 4:
            core.reset(None, np.arange(core.E) == 1)
        elif ended is not None:
            core.reset(None, ended)
    return told


@pytest.mark.parametrize("threads", [1, 2])
def test_within_the_step_or_after_it_is_the_same(tmp_path: Path, threads: int, monkeypatch) -> None:
    monkeypatch.setattr("octogym.sim.backend.PARALLEL_FROM", 1)
    within, after = core_of(tmp_path, threads=threads), core_of(tmp_path)
    after._step_each = None
    assert within._step_each is not None
    assert history(within) == history(after)


def test_what_others_do_with_the_backend_is_not_observed(tmp_path: Path) -> None:
    core, alone = core_of(tmp_path, 1, churn=False), core_of(tmp_path, 1, churn=False)
    for each in (core, alone):
        each.reset(0)
        each.decide(np.zeros((1, each.S, 3), np.int64))
        each.advance()
    before, clock = core._memory.last.copy(), core.clock.copy()
    saved = core.backend.snapshot()
    for _ in range(3):  # as a policy that looks ahead
        core.backend.step(core.decision)
    assert np.array_equal(core._memory.last, before) and np.array_equal(core.clock, clock)
    core.backend.restore(saved)
    for mine, expected in zip(values(core.advance()), values(alone.advance()), strict=True):
        assert np.array_equal(mine, expected)


def test_a_step_that_was_replaced_is_the_one_that_runs(tmp_path: Path) -> None:
    scenario = load_scenario(str(small_scenario.write(tmp_path)))
    core = BatchingCore(backend=Replaced(scenario))
    core.reset(0)
    assert (core.advance().observation[..., 4] == np.float32(0.07)).all()
    backend = SimBackend(scenario)
    assert observing_step(backend) is not None and observing_step(ToyBackend()) is None
    backend.step = backend.step  # type: ignore[method-assign]
    assert observing_step(backend) is None


class Passing:
    """Passes everything on, as wrappers do."""

    __slots__ = ("_inner",)

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_a_backend_without_a_step_of_its_class_is_observed_after_it(tmp_path: Path) -> None:
    inner = SimBackend(load_scenario(str(small_scenario.write(tmp_path))))
    core, other = BatchingCore(backend=Passing(inner)), BatchingCore(backend=SimBackend(inner.scenario))
    assert core._step_each is None
    for each in (core, other):
        each.reset(3)
    for mine, expected in zip(values(core.advance()), values(other.advance()), strict=True):
        assert np.array_equal(mine, expected)
