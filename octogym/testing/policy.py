"""Checks of a policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from octogym.cluster import registry
from octogym.cluster.backend import Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario
from octogym.testing import rules
from octogym.testing.digest import difference, digest
from octogym.testing.rules import require

MakePolicy = Callable[[], Policy]
_SCOPES = ("agent", "cluster")


def check_policy(
    make_policy: MakePolicy, scenario: str | Path | Scenario, seed: int = 0, steps: int = 20, independent: bool = True
) -> None:
    """Hold a policy against the rules `rules.POLICY_*` on a simulated scenario.

    Args:
        make_policy: makes a new policy.
        scenario: name, file or Scenario to try it on.
        seed: first of the seeds used.
        steps: windows.
        independent: whether what it does in one environment of a batch has nothing to do with the others (not so for
            one that learns from all of them).

    Raises:
        BrokenRule: naming the rule and what was found.
    """
    loaded = scenario if isinstance(scenario, Scenario) else registry.load_scenario(str(scenario))
    policy = make_policy()
    require(isinstance(policy, Policy), rules.POLICY_API, f"{type(policy).__name__} lacks some of it")
    require(policy.scope in _SCOPES, rules.POLICY_API, f"scope {policy.scope!r}; allowed: {_SCOPES}")
    require(policy.period_s > 0, rules.POLICY_API, f"period_s {policy.period_s}")
    first, state = _decisions(make_policy(), loaded, 2, seed, steps)
    again, _ = _decisions(make_policy(), loaded, 2, seed, steps)
    found = difference(first, again)
    require(found is None, rules.POLICY_DETERMINISM, f"step{found}")
    if independent:
        for e in range(2):
            alone, _ = _decisions(make_policy(), loaded, 1, seed + e, steps)
            found = difference([_row(d, e) for d in first], [_row(d, 0) for d in alone])
            require(found is None, rules.POLICY_ALONE, f"environment {e}, step{found}")
    other = make_policy()
    other.reset(loaded.cluster, 2, seed)
    other.load(state)
    found = difference(state, other.state_dict())
    require(found is None, rules.POLICY_STATE, f"{found}")


class _Watched:
    """The policy, with its decisions kept and what it may not do noticed."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.scope, self.period_s = policy, policy.scope, policy.period_s
        self.decisions: list[Decision] = []

    def reset(self, *args: object) -> None:
        self.policy.reset(*args)  # type: ignore[arg-type]

    def act(self, view: View) -> Decision:
        before = digest([view.telemetry, view.due, view.present])
        decision = self.policy.act(view)
        same = before == digest([view.telemetry, view.due, view.present])
        require(same, rules.POLICY_READS_ONLY, f"act() at step {view.step} wrote into the view")
        E = len(view.present)
        require(isinstance(decision, Decision), rules.POLICY_DECISION, f"act() returned {type(decision).__name__}")
        try:
            decision.validate(view.cluster, E)
        except ValueError as error:
            require(False, rules.POLICY_DECISION, f"step {view.step}: {error}")
        self.decisions.append(decision.copy())
        return decision

    def feedback(self, reward: np.ndarray, view: View) -> None:
        before = digest([reward, view.telemetry])
        self.policy.feedback(reward, view)
        same = before == digest([reward, view.telemetry])
        require(same, rules.POLICY_READS_ONLY, f"feedback() at step {view.step} wrote into what it was given")

    def state_dict(self) -> dict[str, np.ndarray]:
        return self.policy.state_dict()

    def load(self, state: dict[str, np.ndarray]) -> None:
        self.policy.load(state)


def _decisions(
    policy: Policy, scenario: Scenario, num_envs: int, seed: int, steps: int
) -> tuple[list[Decision], dict[str, np.ndarray]]:
    watched = _Watched(policy)
    backend = registry.make_backend("sim", scenario, num_envs=num_envs)
    for _ in Runner(backend, watched).windows(steps, seed):
        pass
    backend.close()
    return watched.decisions, watched.state_dict()


def _row(decision: Decision, e: int) -> dict[str, np.ndarray]:
    return {name: getattr(decision, name)[e] for name in Decision.FIELDS}
