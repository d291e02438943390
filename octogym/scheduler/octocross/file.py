"""Checkpoints of OctoCross: weights, sizes, whose row of the positional table is whose, and where they come from.

Reading one and deciding by it needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from octogym.cluster.tensor_file import TensorFileError, check_arrays, read_tensors, write_tensors
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.parameters import parameter_shapes

if TYPE_CHECKING:
    from octogym.scheduler.octocross.model import OctoCrossModel

KIND = "octocross"


@dataclass(frozen=True, eq=False)
class OctoCrossFile:
    """A checkpoint that was read. `arrays`: parameters by name, float32; `about`: plain values that say what they were
    trained on."""

    path: Path
    config: OctoCrossConfig
    arrays: Mapping[str, np.ndarray]
    ids: DeviceIds
    about: Mapping[str, Any]

    @cached_property
    def model(self) -> OctoCrossModel:
        """The model, in evaluation mode.

        Raises:
            MissingExtra: torch is not installed.
        """
        from octogym.scheduler.octocross.model import OctoCrossModel

        model = OctoCrossModel(self.config)
        load_weights(model, self.arrays)
        return model.eval()


def write_octocross(path: str | Path, model: OctoCrossModel, ids: DeviceIds, about: Mapping[str, Any]) -> Path:
    """Write a checkpoint, whole or not at all."""
    return write_tensors(
        path, weights(model), KIND, {**about, "config": asdict(model.config), "ids": dict(sorted(ids.known.items()))}
    )


def read_octocross(path: str | Path) -> OctoCrossFile:
    """Read a checkpoint.

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
    check_arrays(path, found.arrays, parameter_shapes(config))
    return OctoCrossFile(Path(path), config, found.arrays, ids, about)


def weights(model: OctoCrossModel) -> dict[str, np.ndarray]:
    """Copies of the parameters by name, float32."""
    return {name: x.detach().cpu().numpy().copy() for name, x in model.named_parameters()}


def load_weights(model: OctoCrossModel, arrays: Mapping[str, np.ndarray]) -> None:
    """Put `weights` back."""
    from octogym.scheduler.octocross.torch_extra import torch

    with torch.no_grad():
        for name, x in model.named_parameters():
            x.copy_(torch.tensor(arrays[name]))
