"""Checks of a scenario: that it loads, plans the same twice, and runs."""

from __future__ import annotations

from pathlib import Path

from octogym.cluster import registry
from octogym.cluster.scenario import Scenario
from octogym.envs import batching_v0
from octogym.testing import rules
from octogym.testing.backend import check_backend
from octogym.testing.digest import difference, digest
from octogym.testing.parallel_env import check_parallel_env
from octogym.testing.rules import require


def check_scenario(
    scenario: str | Path | Scenario, seed: int = 0, steps: int = 10, other_process: bool = False
) -> Scenario:
    """Load a scenario and hold it, simulated, against `check_backend` and `check_parallel_env`.

    Args:
        scenario: name, file or Scenario.
        seed: first of the seeds used.
        steps: windows per episode.
        other_process: compare with fresh Python processes, too.

    Returns:
        The scenario.

    Raises:
        octogym.cluster.errors.ScenarioError: it does not load; names file, key, value and what is allowed.
        BrokenRule: naming the rule and what was found.
    """
    loaded = scenario if isinstance(scenario, Scenario) else registry.load_scenario(str(scenario))
    found = difference(loaded.plan(seed), loaded.plan(seed))
    require(found is None, rules.SCENARIO_PLAN, f"{found}")
    plans = {digest(loaded.plan(seed + n)) for n in range(4)}
    runs = {_first_window(loaded, seed + n) for n in range(4)}
    require(len(plans) > 1 or len(runs) > 1, rules.SCENARIO_SEEDS, f"seeds {seed} to {seed + 3} are all alike")
    check_backend(lambda n: registry.make_backend("sim", loaded, num_envs=n), seed, steps, other_process)
    period_s = loaded.cluster.period_ns / 1e9
    check_parallel_env(
        lambda: batching_v0.parallel_env(scenario=loaded, horizon=steps * period_s), seed, 2, other_process
    )
    return loaded


def _first_window(scenario: Scenario, seed: int) -> str:
    env = batching_v0.parallel_env(scenario=scenario, horizon=scenario.cluster.period_ns / 1e9)
    env.reset(seed=seed)
    for agent in env.agents:
        env.action_space(agent).seed(0)
    found = digest(env.step({agent: env.action_space(agent).sample() for agent in env.agents}))
    env.close()
    return found
