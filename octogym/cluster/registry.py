"""What a name stands for: scenarios, policies, backends; ours and those that other packages declare as entry points."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Union

from octogym.cluster.backend import Backend, Policy
from octogym.cluster.errors import ScenarioError
from octogym.cluster.loading import load_scenario
from octogym.cluster.loading.document import choices, label_of, parse_toml
from octogym.cluster.names import BACKENDS, POLICIES, load_name, names, scenario_files
from octogym.cluster.scenario import Scenario

__all__ = ["backends", "is_backend_file", "load_scenario", "make_backend", "make_policy", "policies", "scenarios"]

#: Files that stand for a backend: suffix -> its name, and the argument that takes the file.
_FILES = {".toml": ("bridge", "rack"), ".parquet": ("replay", "file")}


def scenarios() -> Dict[str, str]:
    """Name -> one-line description of every scenario that `load_scenario` knows; `scale-16` stands for `scale-N`."""
    found = {
        name: str(parse_toml(file, label_of(file)).get("description", "")) for name, file in scenario_files().items()
    }
    found["scale-16"] = "16 agents on 8 devices; scale-N has N agents, for speed and scaling"
    return found


def policies() -> Dict[str, str]:
    """Name -> ``module:attribute`` of every policy."""
    return dict(names(POLICIES))


def backends() -> Dict[str, str]:
    """Name -> ``module:attribute`` of every backend."""
    return dict(names(BACKENDS))


def make_policy(name: str, **settings: Any) -> Policy:
    """A policy by ``name`` or ``name:argument``, for example ``static:batch=4`` or ``fcpo:runs/x.safetensors``.

    The argument, where there is one, is the first that the policy's class takes.

    Raises:
        ScenarioError: no such policy.
    """
    head, colon, argument = name.partition(":")
    make = load_name(POLICIES, head)
    return make(argument, **settings) if colon else make(**settings)


def make_backend(name: str, scenario: Union[str, Scenario, None] = None, num_envs: int = 1, **settings: Any) -> Backend:
    """A backend by name on a scenario (or the name or file of one), the rack of a rack file (``*.toml``), or a recorded
    run (``*.parquet``).

    Such a file names its scenario; one that is given here stands in its place.

    Raises:
        ScenarioError: no such backend or scenario; a name without a scenario.
    """
    if isinstance(scenario, str):
        scenario = load_scenario(scenario)
    if is_backend_file(name):
        backend, argument = _FILES[Path(name).suffix]
        return load_name(BACKENDS, backend)(scenario, num_envs=num_envs, **{argument: name}, **settings)
    make = load_name(BACKENDS, name)
    if scenario is None:
        raise ScenarioError(f"backend {name}", "scenario", None, choices("", scenarios()))
    return make(scenario, num_envs=num_envs, **settings)


def is_backend_file(backend: str) -> bool:
    """Whether a backend's name is that of a file which names its scenario: a rack file or a recorded run."""
    return Path(backend).suffix in _FILES
