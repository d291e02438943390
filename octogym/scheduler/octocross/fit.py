"""Fitting of the model to load series: Adam on random windows, the best weights by validation kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.adam import FlatAdam
from octogym.scheduler.octocross.batches import Batch, Variation, batch
from octogym.scheduler.octocross.config import Limits
from octogym.scheduler.octocross.dataset import LoadSeries
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.loss import Losses, LossWeights, Situation, Targets, losses
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.torch_extra import nn, torch

_TABLE = "spatial.positions.weight"


@dataclass(frozen=True)
class FitSettings:
    """How a model is fitted.

    Attributes:
        steps: optimiser steps; the published "epochs".
        batch: windows per step, all of one series.
        lr, lr_end: learning rate, from the first to the second along a cosine.
        clip: largest norm of the gradient.
        weight_decay: of matrices, decoupled (AdamW).
        average: the weights that are kept are a running mean of those of the last 1 / (1 - average) steps; 0: the last.
        validate_every: steps between validations, after which the best weights so far are kept; 0: no validation, the
            last weights stay, as published.
        validation_windows: of each series, evenly spread.
        vary: of the training windows. weights: of the loss. limits: of decisions.
    """

    steps: int = 3000
    batch: int = 1
    lr: float = 1e-3
    lr_end: float = 1e-5
    clip: float = 1.0
    weight_decay: float = 0.01
    average: float = 0.99
    validate_every: int = 100
    validation_windows: int = 16
    vary: Variation = field(default_factory=Variation)
    weights: LossWeights = field(default_factory=LossWeights)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validation_windows"):
            if getattr(self, name) < 1:
                raise SchedulerError(f"{name} = {getattr(self, name)}: expected a whole number from 1")
        if self.validate_every < 0:
            raise SchedulerError(f"validate_every = {self.validate_every}: expected a whole number from 0")
        if not 0 < self.lr_end <= self.lr:
            raise SchedulerError(f"lr = {self.lr}, lr_end = {self.lr_end}: expected 0 < lr_end <= lr")
        if not self.clip > 0:
            raise SchedulerError(f"clip = {self.clip}: expected a number above 0")
        if not 0 <= self.average < 1:
            raise SchedulerError(f"average = {self.average}: expected a number from 0, below 1")
        if self.weight_decay < 0:
            raise SchedulerError(f"weight_decay = {self.weight_decay}: expected a number from 0")


class Fit:
    """A model on its way. Every step draws from the seed and its own number alone, so a run that goes on from a saved
    state gives the same bits.

    Args:
        model: fitted in place; after the last `step` it holds the weights that are kept.
        data: series to learn from, each as often as the others.
        ids: rows of the positional table; names of ``data`` that it does not know share the unknown row.
        trainable: names of parameters that are fitted, which alone have gradients from now on; None: all.
        rows: where the positional table is among them, the rows that are; None: all.
        keep_start: the weights that it begins with are among those that are kept if no others are better.
    """

    def __init__(
        self,
        model: OctoCrossModel,
        data: Sequence[LoadSeries],
        ids: DeviceIds,
        settings: FitSettings | None = None,
        seed: int = 0,
        trainable: Sequence[str] | None = None,
        rows: np.ndarray | None = None,
        keep_start: bool = False,
    ) -> None:
        self.model, self.ids, self.seed = model, ids, seed
        self.settings = settings or FitSettings()
        self.data = [one for one in data if len(one.split.train)]
        if not self.data:
            raise SchedulerError("data: no series with windows for training")
        self._rows = None if rows is None else torch.as_tensor(rows, dtype=torch.int64)
        wanted = dict(model.named_parameters())
        self._start(wanted if trainable is None else {name: wanted[name] for name in trainable})
        self._mean, self._best = (self._adam.values.clone() for _ in range(2))
        self._checks = [
            batch(one, times, model.config.history, model.config.horizon, ids)
            for one in self.data
            if len(times := _spread(one.split.validation, self.settings.validation_windows))
        ]
        #: Steps done. Validation error of the weights that are kept, infinite before the first one.
        self.done, self.best = 0, math.inf
        #: Last validation error, and the step after which it was measured (0: none was).
        self.validation, self.checked = math.nan, 0
        if keep_start and self._checks:
            self.best = self.validation = self._error()
        #: Validation error at the start, if it counts.
        self.before = self.best

    def release(self, names: Sequence[str]) -> None:
        """Fit these parameters from now on, too; Adam's moments begin anew."""
        before = self._adam
        kept = [before.named(array) for array in (self._mean, self._best)]
        self._start({**before.parameters, **{name: self.model.get_parameter(name) for name in names}})
        now = self._adam.named(self._adam.values)
        self._mean, self._best = (torch.cat([{**now, **one}[name] for name in now]) for one in kept)

    def _start(self, parameters: Mapping[str, nn.Parameter]) -> None:
        for name, x in self.model.named_parameters():
            x.requires_grad_(name in parameters)
        rows = {_TABLE: self._rows} if self._rows is not None and _TABLE in parameters else {}
        self._adam = FlatAdam(parameters, self.settings.weight_decay, rows)

    @property
    def finished(self) -> bool:
        return self.done >= self.settings.steps

    def step(self) -> dict[str, float]:
        """One optimiser step; the loss and its terms by name."""
        settings, config = self.settings, self.model.config
        rng = np.random.default_rng([self.seed, self.done])
        one = self.data[int(rng.integers(len(self.data)))]
        times = rng.choice(one.split.train, settings.batch)
        drawn = batch(one, times, config.history, config.horizon, self.ids, settings.vary, rng)
        self.model.train()
        found = batch_losses(self.model, drawn, settings)
        found.total.backward()
        self._adam.step(self._rate(), settings.clip)
        self.done += 1
        # The running mean begins as a plain one, so that the initial weights are soon forgotten.
        self._mean.lerp_(self._adam.values, 1.0 - min(settings.average, self.done / (self.done + 1)))
        every = settings.validate_every
        if every and self._checks and (self.done % every == 0 or self.finished):
            self._validate()
        if self.finished:
            self._adam.values.copy_(self._best if every and self._checks else self._mean)
        return {name: value.item() for name, value in found._asdict().items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that a run needs to go on, but for data, settings and seed."""
        progress = np.array([self.done, self._adam.steps, self.best, self.validation, self.checked])
        return {"progress": progress, **{name: array.numpy().copy() for name, array in self._arrays().items()}}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put `state_dict` back."""
        for name, array in self._arrays().items():
            array.copy_(torch.tensor(arrays[name]))
        done, steps, self.best, self.validation, checked = arrays["progress"].tolist()
        self.done, self._adam.steps, self.checked = int(done), int(steps), int(checked)

    def _arrays(self) -> dict[str, torch.Tensor]:
        adam = self._adam
        kept = {"mean": self._mean, "best": self._best}
        return {"values": adam.values, "first": adam.first, "second": adam.second, **kept}

    def _rate(self) -> float:
        settings = self.settings
        turn = 0.5 * (1.0 + math.cos(math.pi * self.done / settings.steps))
        return settings.lr_end + (settings.lr - settings.lr_end) * turn

    def _validate(self) -> None:
        now = self._adam.values.clone()
        self._adam.values.copy_(self._mean)
        self.validation, self.checked = self._error(), self.done
        if self.validation < self.best:
            self.best = self.validation
            self._best.copy_(self._mean)
        self._adam.values.copy_(now)

    def _error(self) -> float:
        return float(np.mean([_total(self.model, check, self.settings) for check in self._checks]))


def fit(
    model: OctoCrossModel,
    data: Sequence[LoadSeries],
    ids: DeviceIds,
    settings: FitSettings | None = None,
    seed: int = 0,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Fit a model; yields the number of each step and its losses. When it is exhausted the model holds the result."""
    run = Fit(model, data, ids, settings, seed)
    while not run.finished:
        found = run.step()
        yield run.done, found


def batch_losses(model: OctoCrossModel, drawn: Batch, settings: FitSettings) -> Losses:
    """The loss of a batch."""
    inputs, situation, targets = tensors(drawn)
    return losses(model(*inputs), situation, targets, settings.weights, settings.limits)


def tensors(drawn: Batch) -> tuple[tuple[torch.Tensor, ...], Situation, Targets]:
    """A batch as the model's arguments, the situation and the targets of the loss."""
    x = [torch.tensor(array) for array in drawn]
    names = dict(zip(Batch._fields, x, strict=True))
    situation = Situation(**{name: names[name] for name in Situation._fields})
    return tuple(x[:5]), situation, Targets(names["future"], names["label"], None, names["known"])


@torch.no_grad()
def _total(model: OctoCrossModel, drawn: Batch, settings: FitSettings) -> float:
    return batch_losses(model.eval(), drawn, settings).total.item()


def _spread(times: np.ndarray, count: int) -> np.ndarray:
    """Up to ``count`` of the times, evenly spread."""
    if len(times) <= count:
        return times
    return times[np.linspace(0, len(times) - 1, count).round().astype(np.int64)]


def forecast_errors(
    model: OctoCrossModel, series: LoadSeries, times: np.ndarray, ids: DeviceIds, at_once: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared errors [Q] of the model's forecast and of persistence (the last value), objects per frame squared,
    over windows at ``times`` and nodes with cameras that are there before and at the forecast sample."""
    config = model.config
    sums = np.zeros((3, config.horizon))
    with torch.no_grad():
        for start in range(0, len(times), at_once):
            drawn = batch(series, times[start : start + at_once], config.history, config.horizon, ids)
            forecast = model.eval()(*tensors(drawn)[0]).forecast.numpy()
            for row, guess in enumerate((forecast, drawn.load[..., None])):
                sums[row] += (((guess - drawn.future) ** 2) * drawn.known).sum((0, 1))
            sums[2] += drawn.known.sum((0, 1))
    error = sums[:2] / np.maximum(sums[2], 1.0)
    return error[0], error[1]
