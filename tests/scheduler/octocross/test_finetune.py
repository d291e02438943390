"""Finetuning: new devices get rows, the rest of what is known of the others stays, nothing gets worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.scheduler.octocross import finetune
from octogym.scheduler.octocross.file import weights
from octogym.scheduler.octocross.finetune import finetuning
from octogym.scheduler.octocross.fit import FitSettings
from octogym.scheduler.octocross.model import OctoCrossModel

from .sites import numbers, waves
from .situations import SMALL

QUICK = FitSettings(steps=60, batch=4, lr=1e-2, validate_every=10)
TABLE = "spatial.positions.weight"


def changed(before, model):
    after = weights(model)
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_head_decoder_and_new_rows_are_fitted():
    site = waves(nodes=6)
    ids, model = numbers(waves(nodes=4)), OctoCrossModel(SMALL)
    before = weights(model)
    new = ids.add(site.nodes[4:6])
    run = finetuning(model, [site], ids, new, QUICK)
    rows = ids.of(tuple(new))
    assert np.allclose(weights(model)[TABLE][rows], before[TABLE][2:6].mean(0))
    while not run.finished:
        run.step()
    assert all(name.startswith(("head.", "decoder.")) or name == TABLE for name in changed(before, model))
    touched = np.flatnonzero((before[TABLE] != weights(model)[TABLE]).any(1))
    assert touched.tolist() == rows.tolist()
    assert run.best < run.before


def test_without_new_devices_the_table_stays():
    site = waves()
    model = OctoCrossModel(SMALL)
    before = weights(model)
    run = finetuning(model, [site], numbers(site), settings=QUICK)
    while not run.finished:
        run.step()
    assert changed(before, model) and TABLE not in changed(before, model)


def test_weights_that_got_no_better_are_not_kept():
    site = waves()
    model = OctoCrossModel(SMALL)
    before = weights(model)
    run = finetuning(model, [site], numbers(site), settings=replace(QUICK, lr=5.0, lr_end=5.0, clip=1e6))
    while not run.finished:
        run.step()
    assert run.best == run.before and not changed(before, model)


@pytest.mark.parametrize("lr", [5.0, 1e-2])
def test_the_last_block_follows_where_nothing_gets_better(monkeypatch, lr):
    monkeypatch.setattr(finetune, "PATIENCE", 50)
    site = waves()
    model = OctoCrossModel(SMALL)
    run = finetuning(model, [site], numbers(site), settings=replace(QUICK, lr=lr, lr_end=lr))
    block = model.blocks[-1].gate.weight
    before = block.detach().clone()
    for _ in range(52):
        run.step()
    assert bool((block != before).any()) == (lr == 5.0)
