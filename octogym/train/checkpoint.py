"""What training leaves: the policy's weights with where they come from, and the state from which it goes on."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import octogym
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.scenario import Scenario
from octogym.cluster.tensor_file import TensorFileError, read_tensors, write_tensors

#: The weights alone (`octogym run --policy NAME:FILE`), and everything that training needs to go on, in a run's folder.
POLICY_FILE, STATE_FILE = "policy.safetensors", "state.safetensors"


def provenance(scenario: Scenario, seed: int, steps: int, **more: Any) -> dict[str, Any]:
    """Plain values that say what weights were trained on.

    Args:
        steps: agent-steps (or whatever the method counts) behind the weights.
        more: the method's own facts, plain values: settings, name.
    """
    return {
        "octogym": octogym.__version__,
        "scenario": scenario.name,
        "split": scenario.provenance.get("split", ""),
        "cluster_sha256": fingerprint(scenario.cluster),
        "scenario_sha256": fingerprint(
            (
                scenario.name,
                scenario.cluster,
                scenario.options,
                scenario.horizon_s,
                [scenario.plan(seed) for seed in range(3)],
            )
        ),
        "traces_sha256": fingerprint((scenario.counts, scenario.rates)),
        "traces": scenario.provenance.get("traces", ""),
        "synthetic_traces": scenario.synthetic_traces,
        "synthetic_profiles": scenario.synthetic_profiles,
        "seed": seed,
        "steps": steps,
        "python": platform.python_version(),
        "numpy": np.__version__,
        **more,
    }


@dataclass(frozen=True)
class TrainingState:
    """Training in the middle. `progress`: plain values (episode, best score); `identity`: plain values that a run
    which goes on from here must share."""

    arrays: dict[str, np.ndarray]
    progress: dict[str, Any]
    identity: dict[str, Any]


def save_state(folder: str | Path, kind: str, state: TrainingState) -> Path:
    """Write `STATE_FILE` in the run's folder, whole or not at all."""
    about = {"progress": state.progress, "identity": state.identity}
    return write_tensors(Path(folder) / STATE_FILE, state.arrays, f"{kind}-state", about)


def load_state(folder: str | Path, kind: str, identity: Mapping[str, Any]) -> TrainingState:
    """The state in a run's folder, if it is one of the same training.

    Args:
        identity: what must agree (scenario, seed, settings); what differs is named.

    Raises:
        TensorFileError: no state there, a damaged one, another method's, or one of another training.
    """
    file = Path(folder) / STATE_FILE
    found = read_tensors(file, f"{kind}-state")
    theirs = found.about.get("identity")
    if not isinstance(theirs, dict) or not isinstance(found.about.get("progress"), dict):
        raise TensorFileError(file, "damaged: it does not say what training it belongs to")
    other = sorted(key for key in {*theirs, *identity} if theirs.get(key) != identity.get(key))
    if other:
        said = "; ".join(f"{key} = {theirs.get(key)!r}, now {identity.get(key)!r}" for key in other)
        raise TensorFileError(file, f"is of another training ({said}); give the same settings or another folder")
    return TrainingState(found.arrays, found.about["progress"], theirs)


def split_names(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays named `prefix/...`, without the prefix."""
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(prefix + "/")}


def join_names(**parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One table of several: `join_names(optimiser=m)` names m's arrays `optimiser/...`."""
    return {f"{prefix}/{name}": array for prefix, part in parts.items() for name, array in part.items()}
