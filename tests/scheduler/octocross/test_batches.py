"""Windows as the model takes them: what is in them, and what variation does to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.batches import PLAIN, Variation, batch
from octogym.scheduler.octocross.ids import SERVER, UNKNOWN
from octogym.scheduler.octocross.labels import balanced_loads

from .sites import numbers, waves

TAU, Q = 12, 6


def drawn(site, times, vary=PLAIN, seed=None, ids=None):
    rng = None if seed is None else np.random.default_rng(seed)
    return batch(site, np.asarray(times), TAU, Q, ids or numbers(site), vary, rng)


def test_a_plain_batch_is_what_the_series_says():
    site = waves(horizon=Q)
    found = drawn(site, [40, 7])
    assert np.allclose(found.history[0], site.loads[28:40].T) and np.allclose(found.future[0], site.loads[40:46].T)
    # Before its start a series holds its first sample.
    assert np.allclose(found.history[1, :, :6], site.loads[:1].T)
    assert np.allclose(found.load, found.history[:, :, -1]) and np.allclose(found.capacity, site.capacity)
    assert found.ids[0].tolist() == [2, 3, 4, 5, 6, SERVER] and found.servers[0].tolist() == [False] * 5 + [True]
    label = balanced_loads(site.loads[42], np.append(site.link_rates[39, :5], 0.0), site.capacity)
    assert np.allclose(found.label[0, :, 2], label, atol=1e-4)
    assert found.known[:, :5].all() and not found.known[:, 5].any()
    views = found.views[0]
    assert (views >= 0).all() and (views <= 1).all() and not views[:, range(6), range(6)].any()
    assert np.allclose(found.cost[0], 1 - views[1])
    assert found.edges[0, :5, 5].all() and not found.edges[0, 5].any()


def test_nodes_that_are_not_there_are_not_seen():
    site = waves(horizon=Q)
    there = site.available.copy()
    there[35:, 1], there[42:, 2] = False, False
    site = replace(site, available=there, loads=np.where(there, site.loads, 0.0))
    found = drawn(site, [40])
    assert found.valid[0].tolist() == [True, False, True, True, True, True]
    assert not found.history[0, 1].any() and not found.views[0, :, 1].any() and not found.edges[0, :, 1].any()
    assert not found.label[0, 1].any()
    assert found.known[0, 2].tolist() == [True, True, False, False, False, False] and not found.future[0, 2, 2:].any()


def test_variation_changes_what_it_says():
    site = waves(horizon=Q)
    plain, times = drawn(site, [40] * 64), [40] * 64
    scaled = drawn(site, times, replace(PLAIN, scale=0.5), seed=1)
    factor = scaled.capacity / plain.capacity
    assert np.allclose(factor, factor[:, :1]) and factor.min() > np.exp(-0.51) and np.ptp(factor) > 0.5
    assert np.array_equal(scaled.history, plain.history)
    back = drawn(site, times, replace(PLAIN, reverse=0.5), seed=1)
    turned = ~np.isclose(back.history, plain.history).all((1, 2))
    both = np.concatenate((plain.history, plain.future), -1)[0, :, ::-1]
    assert 16 < turned.sum() < 48 and np.allclose(back.history[turned], both[:, :TAU])
    assert np.allclose(back.future[turned], both[:, TAU:])
    hidden = drawn(site, times, replace(PLAIN, unknown=0.3), seed=1)
    share = (hidden.ids == UNKNOWN).mean(0)
    assert (share[:5] > 0.1).all() and (share[:5] < 0.5).all() and (hidden.ids[:, 5] == SERVER).all()
    fewer = drawn(site, times, replace(PLAIN, missing=0.5), seed=1)
    gone = ~fewer.valid
    assert 0.3 < gone.any(1).mean() < 0.7 and 0.1 < gone.mean() < 0.4
    assert not fewer.history[gone].any() and not fewer.known[gone].any() and not fewer.label[gone].any()


def test_draws_come_from_the_generator_alone():
    site = waves(horizon=Q)
    one, same, other = (drawn(site, [30, 50], Variation(), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_device_without_a_row_is_unknown():
    site = waves(horizon=Q)
    found = drawn(site, [30], ids=numbers(waves(nodes=2)))
    assert found.ids[0].tolist() == [2, 3, UNKNOWN, UNKNOWN, UNKNOWN, SERVER]


def test_what_cannot_be_is_refused():
    site = waves(horizon=Q)
    with pytest.raises(SchedulerError, match="rng = None"):
        drawn(site, [30], Variation())
    for wrong in ({"scale": -1.0}, {"reverse": 1.5}, {"missing": -0.1}, {"unknown": 2.0}):
        with pytest.raises(SchedulerError, match=next(iter(wrong))):
            Variation(**wrong)
