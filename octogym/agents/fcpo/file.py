"""Checkpoints of FCPO: every agent's parameters by instance, and the federation's model for agents that are new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octogym.agents.errors import PolicyError
from octogym.agents.fcpo.population import Population
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.cluster.tensor_file import TensorFileError, read_tensors, write_tensors

KIND = "fcpo"
_AGENT, _GLOBAL = "agent/", "global/"


@dataclass(frozen=True)
class FcpoFile:
    """A checkpoint that was read.

    `agents`: instance id -> parameter name -> float32 array. `shared`: part of the network with its shapes
    (`batch@8,49x8`) -> parameter name -> array, the federation's model; empty if there was none.
    """

    path: Path
    settings: FcpoSettings
    agents: Mapping[str, Mapping[str, np.ndarray]]
    shared: Mapping[str, Mapping[str, np.ndarray]]

    def fill(self, population: Population) -> None:
        """Give every agent its parameters: its own by instance, else what the federation's model has of its shapes
        (its other heads start cold).

        Raises:
            PolicyError: an instance without an agent in a checkpoint without a federation's model.
            IAgentError: an agent of other head sizes.
        """
        for _, s, stack, i in population.members():
            instance = population.cluster.instances[s].id
            own = self.agents.get(instance)
            if own is None:
                own = self._shared_for(stack.get(i))
                if not own:
                    known = ", ".join(sorted(self.agents)[:8])
                    raise PolicyError(
                        f"{self.path}: no agent for {instance}, and no federation's model to start it from; "
                        f"it has {known}{', ...' if len(self.agents) > 8 else ''}"
                    )
            stack.set(i, own)

    def _shared_for(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for arrays in self.shared.values():
            if all(name in parameters and parameters[name].shape == array.shape for name, array in arrays.items()):
                found.update(arrays)
        return found


def write_fcpo(
    path: str | Path,
    settings: FcpoSettings,
    agents: Mapping[str, Mapping[str, np.ndarray]],
    shared: Mapping[str, np.ndarray],
    about: Mapping[str, Any],
) -> Path:
    """Write a checkpoint, whole or not at all. `shared`: `part@shapes/name` -> array."""
    arrays = {f"{_AGENT}{agent}//{name}": array for agent, one in agents.items() for name, array in one.items()}
    arrays.update({_GLOBAL + name: array for name, array in shared.items()})
    return write_tensors(path, arrays, KIND, {"settings": settings.as_plain(), **about})


def read_fcpo(path: str | Path) -> FcpoFile:
    """Read a checkpoint.

    Raises:
        TensorFileError: no such file, a damaged one, or none of FCPO.
    """
    found = read_tensors(path, KIND)
    agents: dict[str, dict[str, np.ndarray]] = {}
    shared: dict[str, dict[str, np.ndarray]] = {}
    for key, array in found.arrays.items():
        if key.startswith(_AGENT) and "//" in key:
            agent, _, name = key[len(_AGENT) :].rpartition("//")
            agents.setdefault(agent, {})[name] = array
        elif key.startswith(_GLOBAL) and key.count("/") >= 2:
            part, _, name = key[len(_GLOBAL) :].rpartition("/")
            shared.setdefault(part, {})[name] = array
        else:
            raise TensorFileError(path, f"damaged: it holds {key!r}, which is neither an agent's nor the federation's")
    try:
        settings = FcpoSettings.from_plain(found.about["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise TensorFileError(path, f"damaged: its settings cannot be read ({error})") from None
    return FcpoFile(Path(path), settings, agents, shared)
