"""`check_scenario` on our own scenarios, on a user's file, and on one that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from octogym.cluster import registry
from octogym.cluster.errors import ScenarioError
from octogym.cluster.scenario import FixedPlan
from octogym.testing import BrokenRule, check_scenario, rules
from tests.cluster import small_scenario


@pytest.mark.parametrize("name", ["traffic-2", "campus-8"])
def test_shipped_scenarios_pass(name: str) -> None:
    assert check_scenario(name, steps=5).name == name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(registry.scenarios()))
def test_every_shipped_scenario_passes(name: str) -> None:
    check_scenario(name, steps=4)


def test_a_users_file_passes(tmp_path: Path) -> None:
    check_scenario(small_scenario.write(tmp_path), steps=5)


def test_a_file_that_does_not_load_says_why(tmp_path: Path) -> None:
    file = small_scenario.write(tmp_path, small_scenario.VALID.replace("fps = 10", "fps = -1"))
    with pytest.raises(ScenarioError, match="fps"):
        check_scenario(file)


def test_a_plan_that_changes_is_noticed() -> None:
    scenario = registry.load_scenario("traffic-2")

    class Restless:
        calls = 0

        def plan(self, seed: int, options: object) -> object:
            Restless.calls += 1
            return scenario.planner.plan(Restless.calls, {})

    with pytest.raises(BrokenRule) as error:
        check_scenario(replace(scenario, planner=Restless()))
    assert error.value.rule == rules.SCENARIO_PLAN


def test_one_plan_for_all_seeds_is_fine_because_phases_and_objects_differ() -> None:
    scenario = registry.load_scenario("traffic-2")
    still = replace(scenario, planner=FixedPlan(scenario.plan(0)))
    assert check_scenario(still, steps=3) is still
