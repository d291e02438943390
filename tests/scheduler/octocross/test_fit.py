"""Fitting: it learns, it goes on bit-equal, it keeps the best weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.batches import PLAIN, batch
from octogym.scheduler.octocross.file import weights
from octogym.scheduler.octocross.fit import Fit, FitSettings, batch_losses, fit, forecast_errors
from octogym.scheduler.octocross.model import OctoCrossModel

from .sites import numbers, waves
from .situations import SMALL

QUICK = FitSettings(steps=12, batch=2, validate_every=5)


def run(settings, sites, seed=0, model=None):
    found = Fit(model or OctoCrossModel(SMALL, seed), sites, numbers(*sites), settings, seed)
    while not found.finished:
        found.step()
    return found


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def test_it_learns_to_forecast_and_to_offload():
    site = waves(240)
    ids = numbers(site)
    model = OctoCrossModel(replace(SMALL, blocks=1))
    test = batch(site, site.split.test, SMALL.history, SMALL.horizon, ids)
    settings = FitSettings(steps=200, batch=4, lr=3e-3)
    before = batch_losses(model, test, settings)
    history = list(fit(model, [site], ids, settings))
    assert [step for step, _ in history] == list(range(1, 201))
    after = batch_losses(model, test, settings)
    assert after.forecast.item() < 0.7 * before.forecast.item() and after.total.item() < 0.8 * before.total.item()
    mine, persistence = forecast_errors(model, site, site.split.test, ids)
    assert mine.shape == (SMALL.horizon,) and mine.mean() < 0.7 * persistence.mean()


def test_a_saved_state_goes_on_with_the_same_bits():
    sites = [waves(), waves(seed=1, nodes=4)]
    whole = run(QUICK, sites)
    begun = Fit(OctoCrossModel(SMALL), sites, numbers(*sites), QUICK)
    for _ in range(7):
        begun.step()
    state = begun.state_dict()
    later = Fit(OctoCrossModel(SMALL, seed=9), sites, numbers(*sites), QUICK)
    later.load(state)
    assert later.done == 7 and not later.finished
    while not later.finished:
        later.step()
    assert same(weights(whole.model), weights(later.model)) and whole.best == later.best
    assert not same(weights(whole.model), weights(run(QUICK, sites, seed=1).model))


def test_the_best_weights_by_validation_are_kept():
    site = waves()
    settings = replace(QUICK, steps=20, validate_every=2)
    found = Fit(OctoCrossModel(SMALL), [site], numbers(site), settings)
    errors = []
    while not found.finished:
        found.step()
        errors.append(found.validation)
    assert found.best == np.nanmin(errors)
    times = site.split.validation
    checks = batch(site, times, SMALL.history, SMALL.horizon, found.ids)
    assert batch_losses(found.model, checks, settings).total.item() == pytest.approx(found.best, rel=1e-5)


def test_without_validation_and_mean_the_last_weights_stay():
    site = waves()
    found = Fit(OctoCrossModel(SMALL), [site], numbers(site), replace(QUICK, validate_every=0, average=0.0))
    while not found.finished:
        before = weights(found.model)
        found.step()
    moved = max(np.abs(a - before[name]).max() for name, a in weights(found.model).items())
    assert 0 < moved <= 1.1 * QUICK.lr and np.isnan(found.validation)


def test_only_what_is_told_is_fitted():
    site = waves()
    model = OctoCrossModel(SMALL)
    before = weights(model)
    settings = replace(QUICK, validate_every=0)
    found = Fit(
        model, [site], numbers(site), settings, 0, ["decoder.weight", "spatial.positions.weight"], np.array([3])
    )
    while not found.finished:
        found.step()
    after = weights(model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"decoder.weight", "spatial.positions.weight"}
    rows = np.flatnonzero((before["spatial.positions.weight"] != after["spatial.positions.weight"]).any(1))
    assert rows.tolist() == [3]


def test_series_without_training_windows_are_left_out():
    site = waves()
    empty = replace(site, split=site.split._replace(train=site.split.train[:0]))
    assert len(Fit(OctoCrossModel(SMALL), [site, empty], numbers(site), QUICK).data) == 1
    with pytest.raises(SchedulerError, match="no series"):
        Fit(OctoCrossModel(SMALL), [empty], numbers(site), QUICK)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 0},
        {"lr": 0.0},
        {"lr_end": 1.0},
        {"clip": 0.0},
        {"average": 1.0},
        {"validate_every": -1},
        {"weight_decay": -1.0},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(SchedulerError, match=next(iter(wrong))):
        FitSettings(**wrong)


def test_persistence_is_what_an_unfitted_model_says():
    site = waves()
    mine, persistence = forecast_errors(OctoCrossModel(SMALL), site, site.split.test, numbers(site))
    assert mine == pytest.approx(persistence, rel=1e-5)
    x = site.loads[:, :5]
    t = site.split.test
    assert persistence[2] == pytest.approx(((x[t + 2] - x[t - 1]) ** 2).mean(), rel=1e-5)
    assert torch.is_grad_enabled() and PLAIN.reverse == 0
