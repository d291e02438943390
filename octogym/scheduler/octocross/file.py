"""Checkpoints of OctoCross: weights, sizes, whose row of the positional table is whose, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cluster.tensor_file import TensorFileError, check_arrays, read_tensors, write_tensors
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.torch_extra import torch

KIND = "octocross"


@dataclass(frozen=True, eq=False)
class OctoCrossFile:
    """A checkpoint that was read. `about`: plain values that say what the weights were trained on."""

    path: Path
    model: OctoCrossModel
    ids: DeviceIds
    about: Mapping[str, Any]


def write_octocross(path: str | Path, model: OctoCrossModel, ids: DeviceIds, about: Mapping[str, Any]) -> Path:
    """Write a checkpoint, whole or not at all."""
    return write_tensors(
        path, weights(model), KIND, {**about, "config": asdict(model.config), "ids": dict(sorted(ids.known.items()))}
    )


def read_octocross(path: str | Path) -> OctoCrossFile:
    """Read a checkpoint; the model is in evaluation mode.

    Raises:
        TensorFileError: no such file, a damaged one, or none of OctoCross.
    """
    found = read_tensors(path, KIND)
    about = dict(found.about)
    try:
        config = OctoCrossConfig(**about.pop("config"))
        ids = DeviceIds(config.positions, about.pop("ids"))
    except (KeyError, TypeError, ValueError, SchedulerError) as error:
        raise TensorFileError(path, f"damaged: its sizes or device numbers cannot be read ({error})") from None
    model = OctoCrossModel(config)
    check_arrays(path, found.arrays, {name: array.shape for name, array in weights(model).items()})
    load_weights(model, found.arrays)
    return OctoCrossFile(Path(path), model.eval(), ids, about)


def weights(model: OctoCrossModel) -> dict[str, np.ndarray]:
    """Copies of the parameters by name, float32."""
    return {name: x.detach().cpu().numpy().copy() for name, x in model.named_parameters()}


def load_weights(model: OctoCrossModel, arrays: Mapping[str, np.ndarray]) -> None:
    """Put `weights` back."""
    with torch.no_grad():
        for name, x in model.named_parameters():
            x.copy_(torch.tensor(arrays[name]))
