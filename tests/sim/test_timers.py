"""The next event of a domain, against a plain list: few entities, and so many that blocks stand above blocks."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from octogym.sim import layout as at
from octogym.sim import timers
from octogym.sim.pointers import m_region, tab_region
from octogym.sim.tables import timer_words

DOMAIN = at.TAB_HEADER


@numba.njit
def clear(m, tab):
    timers.clear_timers(m_region(m.ctypes.data, 0), tab_region(tab.ctypes.data, 0))


@numba.njit
def change(m, tab, entity, time):
    """Set one timer; returns the time and the entity of the next event, and the timer as it is read."""
    words, rows = m_region(m.ctypes.data, 0), tab_region(tab.ctypes.data, 0)
    timers.set_timer(words, rows, entity, time)
    now = timers.next_time(words, rows, DOMAIN)
    return now, timers.next_entity(words, rows, DOMAIN, now), timers.timer(words, rows, entity)


def tables(entities: int, where: int) -> tuple[np.ndarray, int]:
    first, words = timer_words(entities)
    tab = np.zeros(DOMAIN + at.X_WORDS + 3 * entities, np.int64)
    listed, placed = DOMAIN + at.X_WORDS, DOMAIN + at.X_WORDS + entities
    tab[at.N_DOMAIN], tab[at.A_DOMAIN], tab[at.A_ENTITY] = 1, DOMAIN, placed
    tab[DOMAIN + np.array([at.X_TREE, at.X_NODES, at.X_FIRST, at.X_ENTITIES])] = where, words, first, listed
    tab[listed:placed] = np.arange(entities)
    tab[placed:] = np.stack([np.full(entities, where), first + np.arange(entities)], 1).ravel()
    return tab, where + words


@pytest.mark.parametrize("entities", [2, 16, 17, 256, 257, 4097])
def test_the_earliest_and_of_those_the_first(entities):
    rng = np.random.default_rng(entities)
    tab, words = tables(entities, 8)
    m = np.full(words, -7, np.int64)  # words beside the timers must not matter
    clear(m, tab)
    expected = np.full(entities, int(at.INF))
    for _ in range(3000):
        entity = int(rng.integers(entities))
        time = int(at.INF) if rng.random() < 0.2 else int(rng.integers(100))  # many at one time
        expected[entity] = time
        assert change(m, tab, entity, time) == (expected.min(), int(expected.argmin()), time)
    assert (m[:8] == -7).all()
