"""From `scenario=` and `backend=` to a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from octogym.cluster import registry
from octogym.cluster.backend import Backend
from octogym.cluster.scenario import Scenario

#: The scenario where none is named.
QUICK_START = "traffic-2"


def open_backend(
    scenario: str | Path | Scenario | None, backend: str | Path | Backend, num_envs: int, threads: int
) -> tuple[Backend, bool]:
    """The backend, and whether it was made here (and is to be closed by whoever asked).

    Args:
        scenario: a name, a TOML file or a `Scenario`; None is the quick start's, or the backend's own.
        backend: a registered name, a rack file, a recorded run, or a `Backend`, taken as it is.

    Raises:
        ValueError: scenario and backend do not go together, or either is none of the above.
    """
    if isinstance(backend, (str, Path)):
        if num_envs < 1:
            raise ValueError(f"num_envs = {num_envs}; allowed: 1 or more")
        settings = {"threads": threads} if threads != 1 else {}
        if scenario is None and not registry.is_backend_file(str(backend)):
            scenario = QUICK_START
        loaded = None if scenario is None else _loaded(scenario)
        made = registry.make_backend(str(backend), loaded, num_envs=num_envs, **settings)
        # An environment writes valid decisions only; checking them again would cost as much as a small simulation.
        if hasattr(made, "check"):
            made.check = False
        return made, True
    if not isinstance(backend, Backend):
        raise ValueError(f"backend = {backend!r}; allowed: a registered name, a rack file, a recorded run or a Backend")
    if isinstance(scenario, Scenario) and scenario is not backend.scenario:
        raise ValueError(
            f"scenario = {scenario.name!r}, but the backend runs a scenario of its own; pass scenario=None"
        )
    if isinstance(scenario, (str, Path)) and str(scenario) != backend.scenario.name:
        raise ValueError(f"scenario = {scenario!r}, but the backend runs {backend.scenario.name!r}; pass scenario=None")
    if num_envs not in (1, backend.num_envs):
        raise ValueError(f"num_envs = {num_envs}, but the backend has {backend.num_envs}")
    return backend, False


def observing_step(backend: Backend) -> Any:
    """`step_each` of a backend that has one (`octogym.sim.SimBackend`), else None: also where something stands before
    the `step` that it goes with."""
    owner = next((each for each in type(backend).__mro__ if "step" in vars(each)), None)
    if owner is None or "step_each" not in vars(owner) or "step" in vars(backend):
        return None
    return backend.step_each  # type: ignore[attr-defined]


def _loaded(scenario: str | Path | Scenario) -> Scenario:
    return scenario if isinstance(scenario, Scenario) else registry.load_scenario(str(scenario))
