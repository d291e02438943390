"""What all environments have in common: they are thin layers over a core."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from octogym.cluster.backend import Backend
from octogym.cluster.scenario import Scenario
from octogym.envs.remade import Remade


class OverCore(Remade):
    """An environment over `_core`, which has a `backend`, a `scenario` and `close()`."""

    _core: Any

    @property
    def scenario(self) -> Scenario:
        found: Scenario = self._core.scenario
        return found

    @property
    def backend(self) -> Backend:
        found: Backend = self._core.backend
        return found


def check_single(num_envs: int) -> None:
    """ValueError if a backend's `num_envs` is not 1, as an environment that is no vector environment needs."""
    if num_envs != 1:
        raise ValueError(f"the backend has num_envs = {num_envs}; allowed: 1 (use the vector environment)")


def check_agents(actions: Collection[str], agents: Sequence[str]) -> None:
    """ValueError if `actions`, a dict by agent, are not for exactly these agents."""
    known = set(agents)
    unknown = [agent for agent in actions if agent not in known]
    missing = [agent for agent in agents if agent not in actions]
    if unknown or missing:
        problem = f"unknown agents {unknown}" if unknown else f"no action for {missing}"
        raise ValueError(f"actions: {problem}; allowed: one action for each of {list(agents)}")
