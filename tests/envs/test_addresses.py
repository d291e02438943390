"""What a backend hands over is checked before compiled code takes its address."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.telemetry import Telemetry
from octogym.envs import batching_v0
from octogym.envs.core import BatchingCore
from tests.envs.toy_backend import ToyBackend


def play(backend: ToyBackend, steps: int = 60) -> list[dict[str, float]]:
    env = batching_v0.parallel_env(backend=backend, horizon=100)
    env.reset(seed=0)
    return [env.step({agent: np.zeros(3, np.int64) for agent in env.agents})[1] for _ in range(steps)]


def test_a_new_telemetry_in_every_step_is_fine() -> None:
    class Copies(ToyBackend):
        def step(self, decision: Decision) -> Telemetry:
            return super().step(decision).copy()

    assert play(Copies()) == play(ToyBackend())


def test_histograms_may_lie_among_others() -> None:
    class Apart(ToyBackend):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            both = np.zeros((self.num_envs, 2, *self._t.leaf_hist.shape[1:]), np.uint32)
            self._t.latency_hist, self._t.leaf_hist = both[:, 0], both[:, 1]

    figures = []
    for backend in (Apart(num_envs=2), ToyBackend(num_envs=2)):
        core = BatchingCore(backend=backend, horizon=9)
        core.reset(0)
        for _ in range(9):
            core.decide(np.zeros((2, 3, 3), np.int64))
            frame = core.advance()
        figures.append(frame.figures)
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("arrived", lambda x: x.astype(np.int32), r"telemetry\.arrived: int32 of shape \(1, 3\)"),
        ("queue", lambda x: x[:, :, :4].copy(), r"telemetry\.queue: int32 of shape \(1, 3, 4\)"),
        ("pack", lambda x: np.zeros((1, 6), np.int32)[:, ::2], r"telemetry\.pack: .*contiguous False"),
        ("leaf_hist", lambda x: x.astype(np.int64), r"telemetry\.leaf_hist: int64"),
    ],
)
def test_other_arrays_than_documented_are_refused(name: str, change: Any, said: str) -> None:
    class Odd(ToyBackend):
        def __init__(self) -> None:
            super().__init__()
            setattr(self._t, name, change(getattr(self._t, name)))

        def reset(self, *args: Any) -> Telemetry:
            return self._t

    with pytest.raises(ValueError, match=said):
        play(Odd())


def test_replaced_arrays_are_noticed() -> None:
    class Replaces(ToyBackend):
        def step(self, decision: Decision) -> Telemetry:
            t = super().step(decision)
            t.lost = t.lost.copy()
            return t

    env = batching_v0.parallel_env(backend=Replaces())
    env.reset()
    env.step({agent: np.zeros(3, np.int64) for agent in env.agents})
    with pytest.raises(ValueError, match=r"telemetry\.lost is another array; allowed: to write into it"):
        env.reset()


def test_what_holds_addresses_is_not_copied() -> None:
    core = BatchingCore(backend=ToyBackend())
    for use in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled; make another one"):
            use(core)
