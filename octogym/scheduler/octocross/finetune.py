"""Fitting of a trained model to nodes that came or went (OctoCross section 3.3, "Offline_Finetune")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octogym.scheduler.octocross.dataset import LoadSeries
from octogym.scheduler.octocross.fit import Fit, FitSettings
from octogym.scheduler.octocross.ids import FIRST_DEVICE, DeviceIds
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.torch_extra import torch

#: Steps, and those of them after which the last block is fitted, too, if nothing has got better.
STEPS, PATIENCE = 1000, 300


class Finetuning(Fit):
    """See `finetuning`. ``rows``: of the positional table, that are fitted."""

    def __init__(
        self,
        model: OctoCrossModel,
        data: Sequence[LoadSeries],
        ids: DeviceIds,
        settings: FitSettings,
        seed: int,
        rows: np.ndarray,
    ) -> None:
        names = [name for name, _ in model.named_parameters() if name.startswith(("head.", "decoder."))]
        names += ["spatial.positions.weight"] * bool(len(rows))
        super().__init__(model, data, ids, settings, seed, names, rows, keep_start=True)

    def step(self) -> dict[str, float]:
        found = super().step()
        if self.done == PATIENCE and not self.finished and not self.best < self.before:
            last = f"blocks.{self.model.config.blocks - 1}."
            self.release([name for name, _ in self.model.named_parameters() if name.startswith(last)])
        return found


def finetuning(
    model: OctoCrossModel,
    data: Sequence[LoadSeries],
    ids: DeviceIds,
    new: Sequence[str] = (),
    settings: FitSettings | None = None,
    seed: int = 0,
) -> Finetuning:
    """A `Fit` to nodes that came or went, of `STEPS` steps (OctoCross section 3.3): what it knows of the others stays.

    Only the head, the decoder and the positional rows of ``new`` devices are fitted. Without an improvement after
    `PATIENCE` steps so is the last block. The weights that it begins with are kept if no others are better.

    Args:
        model: changed in place; give a copy where it goes on deciding meanwhile.
        ids: knows ``new`` already (`DeviceIds.add`); their rows begin at the mean of the others'.
    """
    numbers = ids.of(tuple(new))
    numbers = numbers[numbers >= FIRST_DEVICE]
    others = np.setdiff1d(np.array(sorted(ids.known.values()), np.int64), numbers)
    if len(numbers):
        model.spatial.start_rows(torch.as_tensor(numbers), torch.as_tensor(others))
    return Finetuning(model, data, ids, settings or FitSettings(steps=STEPS), seed, numbers)
