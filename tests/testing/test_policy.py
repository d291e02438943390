"""`check_policy` passes what is right and names the rule that a spoilt policy breaks."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from octogym.cluster import registry
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.testing import BrokenRule, check_policy, rules
from tests.envs.toy_policy import Sets


@pytest.mark.parametrize("name", ["random", "static", "rate-rule"])
def test_ours_pass(name: str) -> None:
    check_policy(lambda: registry.make_policy(name), "traffic-2", steps=8)


def test_a_third_partys_passes() -> None:
    check_policy(Sets, "traffic-2", steps=8)


class NoLoad(Sets):
    def __getattribute__(self, name: str) -> Any:
        if name == "load":
            raise AttributeError(name)
        return super().__getattribute__(name)


class Everywhere(Sets):
    scope = "galaxy"


class TooLarge(Sets):
    def __init__(self) -> None:
        super().__init__(1000)


class Writes(Sets):
    def act(self, view: View) -> Decision:
        view.telemetry.batch[:] = 1
        return super().act(view)


class Dice(Sets):
    def act(self, view: View) -> Decision:
        decision = super().act(view)
        decision.batch[:] = random.randint(1, 8)
        return decision


class Looks(Sets):
    """Decides for each environment by what happens in all."""

    def act(self, view: View) -> Decision:
        decision = super().act(view)
        decision.batch[:] = 1 + view.telemetry.arrived.sum() % 7
        return decision


class Forgets(Sets):
    def __init__(self) -> None:
        super().__init__()
        self.count = np.zeros(1)

    def act(self, view: View) -> Decision:
        self.count += 1
        return super().act(view)

    def state_dict(self) -> dict[str, np.ndarray]:
        return {"count": self.count.copy()}


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (NoLoad, rules.POLICY_API),
        (Everywhere, rules.POLICY_API),
        (TooLarge, rules.POLICY_DECISION),
        (Writes, rules.POLICY_READS_ONLY),
        (Dice, rules.POLICY_DETERMINISM),
        (Looks, rules.POLICY_ALONE),
        (Forgets, rules.POLICY_STATE),
    ],
)
def test_the_broken_rule_is_named(broken: type[Sets], rule: str) -> None:
    with pytest.raises(BrokenRule) as error:
        check_policy(broken, "traffic-2", steps=10)
    assert error.value.rule == rule


def test_a_policy_may_learn_from_all_environments() -> None:
    check_policy(Looks, "traffic-2", steps=6, independent=False)
