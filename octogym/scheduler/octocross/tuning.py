"""Training of the model that decides on what its loop collected, and whether that made it better."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.batches import batch
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.dataset import LoadSeries
from octogym.scheduler.octocross.file import load_weights, weights
from octogym.scheduler.octocross.finetune import finetuning
from octogym.scheduler.octocross.fit import FitSettings, batch_losses
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.torch_extra import torch
from octogym.scheduler.octocross.windows import chronological
from octogym.scheduler.offload.collected import Recent, Site
from octogym.scheduler.offload.finetune import Request, Trial

#: Parts of the samples, in the order of time, for training and validation.
PARTS = (0.7, 0.3, 0.0)
#: Windows on which old and new weights are compared.
COMPARED = 32


def tune(
    config: OctoCrossConfig,
    old: Mapping[str, np.ndarray],
    ids: DeviceIds,
    request: Request,
    site: Site,
    recent: Recent,
    seed: int,
    steps: int,
    stop: Callable[[], bool],
) -> Trial:
    """Finetunes a copy of the ``old`` weights and compares both on the last part of the samples.

    Devices that came get numbers of their own, the old weights know them as unknown ones; numbers of those that went
    are not used again.

    Raises:
        SchedulerError: fewer samples than history and windows for training and validation take.
    """
    series = load_series(site, recent, config.horizon)
    known = DeviceIds(ids.rows, ids.known)
    devices = [name for name, server in zip(site.names, site.servers, strict=True) if not server]
    new = known.add([name for name in request.added if name in devices])
    run = finetuning(_model(config, old), [series], known, new, FitSettings(steps=steps), seed)
    while not run.finished:
        if stop():
            raise SchedulerError("finetuning was given up")
        run.step()
    before = _error(_model(config, old), ids, series)
    return Trial((weights(run.model), known), before, _error(run.model, known, series))


def load_series(site: Site, recent: Recent, horizon: int) -> LoadSeries:
    """What a loop collected, as something to learn from.

    Raises:
        SchedulerError: too few samples.
    """
    if len(recent.load) < 2:
        raise SchedulerError(f"{len(recent.load)} samples were collected: too few to learn from")
    return LoadSeries(
        name="collected",
        nodes=site.names,
        loads=recent.load,
        available=recent.there,
        capacity=site.capacity,
        link_rates=recent.up_bps,
        down_rates=recent.down_bps,
        split=chronological(len(recent.load), horizon, PARTS),
        servers=site.servers,
        crop_bytes=site.crop_bytes,
        latency_s=site.latency_s,
    )


def _model(config: OctoCrossConfig, arrays: Mapping[str, np.ndarray]) -> OctoCrossModel:
    model = OctoCrossModel(config)
    load_weights(model, arrays)
    return model


@torch.no_grad()
def _error(model: OctoCrossModel, ids: DeviceIds, series: LoadSeries) -> float:
    """The loss over windows that were not trained on."""
    times = series.split.validation
    times = times[np.linspace(0, len(times) - 1, min(COMPARED, len(times))).round().astype(np.int64)]
    drawn = batch(series, times, model.config.history, model.config.horizon, ids)
    return batch_losses(model.eval(), drawn, FitSettings()).total.item()
