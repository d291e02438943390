"""`check_backend` passes what is right and names the rule that a spoilt backend breaks."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from octogym.cluster import registry
from octogym.cluster.decision import Decision
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.telemetry_layout import layout
from octogym.testing import BackendMixin, BrokenRule, check_backend, rules
from octogym.testing import backend as checks
from tests.envs.toy_backend import ToyBackend


def test_what_is_right_passes() -> None:
    check_backend(lambda n: ToyBackend(num_envs=n, absent={1: (2, 5)}, silent={2: (3, 5)}), steps=8)


def test_the_simulator_passes() -> None:
    check_backend(lambda n: registry.make_backend("sim", "traffic-2", num_envs=n), steps=8)


class TestMixin(BackendMixin):
    """The mixin, as a third party uses it."""

    steps = 6

    def make_backend(self, num_envs: int) -> ToyBackend:
        return ToyBackend(num_envs=num_envs)


class NoClose(ToyBackend):
    close = None

    def __getattribute__(self, name: str) -> Any:
        if name == "close":
            raise AttributeError(name)
        return super().__getattribute__(name)


class Floats(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.arrived = t.arrived.astype(float)
        return t


class StartsLate(ToyBackend):
    def reset(self, *args: Any, **kwargs: Any) -> Telemetry:
        t = super().reset(*args, **kwargs)
        t.batch[:] = 1
        return t


class SlowClock(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.t_ns += 1
        return t


class Unseeded(ToyBackend):
    def reset(self, seed: Any = None, mask: Any = None, options: Any = None) -> Telemetry:
        return super().reset(int.from_bytes(os.urandom(3), "big"), mask, options)


class SameSeedForAll(ToyBackend):
    def reset(self, seed: Any = None, mask: Any = None, options: Any = None) -> Telemetry:
        t = super().reset(seed, mask, options)
        self._seed[:] = self._seed[0]
        return t


class ResetsAll(ToyBackend):
    def reset(self, seed: Any = None, mask: Any = None, options: Any = None) -> Telemetry:
        return super().reset(seed, None, options)


class LosesRequests(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.in_stage[:] = np.maximum(t.in_stage - 1, 0)
        return t


class LosesResults(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.total_missed += 1
        return t


class WrongTotal(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.total_dropped_out += 1
        return t


class BusyGhost(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.executed[t.present == 0] = 3
        t.total_executed[t.present == 0] += 3
        return t


class OwnMind(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.batch[:] = 1
        return t


class Replaces(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        t.lost = t.lost.copy()
        return t


class Scribbles(ToyBackend):
    def step(self, decision: Decision) -> Telemetry:
        t = super().step(decision)
        decision.batch[:] = 1
        return t


class Forgetful(ToyBackend):
    """Can go back to a snapshot, but not with its clock."""

    def snapshot(self) -> Any:
        return self._t.copy()

    def restore(self, snapshot: Telemetry) -> None:
        for name in vars(snapshot):
            getattr(self._t, name)[:] = getattr(snapshot, name)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (NoClose, rules.BACKEND_API),
        (Floats, rules.BACKEND_ARRAYS),
        (StartsLate, rules.BACKEND_START),
        (SlowClock, rules.BACKEND_PERIOD),
        (Unseeded, rules.BACKEND_DETERMINISM),
        (SameSeedForAll, rules.BACKEND_ALONE),
        (ResetsAll, rules.BACKEND_MASK),
        (LosesRequests, rules.BACKEND_ACCOUNTING),
        (LosesResults, rules.BACKEND_RESULTS),
        (WrongTotal, rules.BACKEND_TOTALS),
        (BusyGhost, rules.BACKEND_ABSENT),
        (OwnMind, rules.BACKEND_SETTINGS),
        (Replaces, rules.BACKEND_KEEPS_ARRAYS),
        (Scribbles, rules.BACKEND_DECISION),
        (Forgetful, rules.BACKEND_SNAPSHOT),
    ],
)
def test_the_broken_rule_is_named(broken: type[ToyBackend], rule: str) -> None:
    with pytest.raises(BrokenRule) as error:
        check_backend(lambda n: broken(num_envs=n, absent={1: (2, 5)}), steps=8, other_process=False)
    assert error.value.rule == rule and str(error.value).startswith(rule)


def test_another_process_is_another_process() -> None:
    mine = os.getpid()
    with pytest.raises(BrokenRule, match="another process"):
        checks.check_other_process(lambda n: ToyBackend(num_envs=n, mean_rate=20 + (os.getpid() == mine)))


def test_the_layout_is_what_the_simulator_reports() -> None:
    backend = registry.make_backend("sim", "traffic-2", num_envs=2)
    t = backend.reset(0)
    for name, (shape, kind) in layout(backend.cluster, 2).items():
        assert getattr(t, name).shape == shape and getattr(t, name).dtype == kind, name
