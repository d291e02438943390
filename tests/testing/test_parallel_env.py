"""`check_parallel_env` passes what is right and names the rule that a spoilt environment breaks."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from octogym.envs import batching_v0
from octogym.testing import BrokenRule, ParallelEnvMixin, check_parallel_env, rules
from octogym.testing import parallel_env as checks
from tests.envs.toy_backend import ToyBackend

Env = batching_v0.BatchingParallelEnv
HORIZON = 8


def toy() -> dict[str, Any]:
    return {"backend": ToyBackend(absent={1: (2, 5)}, silent={2: (3, 5)}), "horizon": HORIZON}


def test_what_is_right_passes() -> None:
    check_parallel_env(lambda: batching_v0.parallel_env(**toy()))
    check_parallel_env(lambda: batching_v0.parallel_env(scenario="traffic-2", horizon=6), other_process=False)
    check_parallel_env(lambda: batching_v0.parallel_env(**toy(), homogeneous=True), other_process=False)


class TestMixin(ParallelEnvMixin):
    """The mixin, as a third party uses it."""

    seed = 7

    def make_env(self) -> Env:
        return batching_v0.parallel_env(**toy())


class NewSpaces(Env):
    def action_space(self, agent: str) -> Any:
        return self._core.action_space(0)


class OutOfBounds(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        for observation in returned[0].values():
            observation[0] = 7
        return returned


class TurnsRandom(Env):
    """Right for an episode, as PettingZoo's own seed test would not notice."""

    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        if self._core.clock[0] > 3:
            returned[1].update(dict.fromkeys(returned[1], random.random()))
        return returned


class OncePerProcess(Env):
    """The first three environments of a process are alike."""

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        observations, infos = super().reset(seed, options)
        here = len(_in_this_process) > 0
        infos[self.possible_agents[0]]["batch"] = int(here)
        return observations, infos


_in_this_process: list[int] = []


class SharesItsArray(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        if not hasattr(self, "buffer"):
            self.buffer = {agent: value.copy() for agent, value in returned[0].items()}
        for agent, value in returned[0].items():
            self.buffer[agent][:] = value
        return (self.buffer, *returned[1:])


class ReadsItsArray(Env):
    """What the user does to an observation comes back in the reward."""

    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        if hasattr(self, "held"):
            returned[1].update({agent: float(value[0]) for agent, value in self.held.items()})
        self.held = returned[0]
        return returned


class Terminates(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        if not self.agents:
            returned[2].update(dict.fromkeys(returned[2], True))
        return returned


class LosesAnAgent(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step({**actions, **{a: np.zeros(3, int) for a in self.possible_agents if a not in actions}})
        self.agents = [a for a in self.agents if returned[-1][a]["present"]]
        return returned


class NoFigures(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        for info in returned[-1].values():
            info.pop("figures", None)
        return returned


class NeverEnds(Env):
    def step(self, actions: Any) -> Any:
        if not self.agents:
            return {}, {}, {}, {}, {}
        return super().step(actions)


class PaysTheAbsent(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        for agent, info in returned[-1].items():
            if not info["present"]:
                returned[1][agent] = -0.5
        return returned


class HearsTheAbsent(Env):
    def step(self, actions: Any) -> Any:
        heard = float(sum(np.sum(x) for x in actions.values()))
        returned = super().step(actions)
        returned[1][self.possible_agents[0]] = heard
        return returned


class SwallowsBadActions(Env):
    def step(self, actions: Any) -> Any:
        good = {a: np.zeros(3, int) for a in self.possible_agents}
        for agent, value in actions.items():
            if np.shape(value) == (3,) and self.action_space(agent).contains(np.asarray(value)):
                good[agent] = value
        return super().step(good if self.agents else actions)


class Vague(Env):
    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except ValueError:
            raise ValueError("bad action") from None


class LosesRequests(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        for info in returned[-1].values():
            info["completed"] = max(info["completed"] - 1, 0)
        return returned


class LosesResults(Env):
    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        for info in returned[-1].values():
            info["results_late"] += 1
        return returned


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (NewSpaces, rules.ENV_SAME_SPACES),
        (OutOfBounds, rules.ENV_API),
        (TurnsRandom, rules.ENV_DETERMINISM),
        (SharesItsArray, rules.ENV_OWNERSHIP),
        (ReadsItsArray, rules.ENV_OWNERSHIP),
        (Terminates, rules.ENV_NO_TERMINATION),
        (LosesAnAgent, rules.ENV_TRUNCATION),
        (NoFigures, rules.ENV_FIGURES),
        (NeverEnds, rules.ENV_AFTER_END),
        (PaysTheAbsent, rules.ENV_ABSENT),
        (HearsTheAbsent, rules.ENV_ABSENT),
        (SwallowsBadActions, rules.ENV_BAD_ACTION),
        (Vague, rules.ENV_BAD_ACTION),
        (LosesRequests, rules.ENV_ACCOUNTING),
        (LosesResults, rules.ENV_RESULTS),
    ],
)
def test_the_broken_rule_is_named(broken: type[Env], rule: str) -> None:
    with pytest.raises(BrokenRule) as error:
        check_parallel_env(lambda: broken(**toy()), other_process=False)
    assert error.value.rule == rule and str(error.value).startswith(rule)


def test_another_process_is_another_process() -> None:
    _in_this_process.append(1)
    try:
        with pytest.raises(BrokenRule, match="another process"):
            checks.check_other_process(lambda: OncePerProcess(**toy()))
    finally:
        _in_this_process.clear()


def test_episodes_that_are_too_long_are_said_to_be() -> None:
    with pytest.raises(ValueError, match="shorter horizon"):
        checks.check_accounting(lambda: batching_v0.parallel_env(backend=ToyBackend(), horizon=5000))
