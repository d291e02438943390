"""The next event of a domain, against a plain list: few entities, and so many that blocks stand above blocks."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from octogym.sim import layout as at
from octogym.sim import timers
from octogym.sim.pointers import m_region, tab_region
from octogym.sim.tables import key_words, timer_words

DOMAIN = at.TAB_HEADER


@numba.njit
def clear(m, tab):
    timers.clear_timers(m_region(m.ctypes.data, 0), tab_region(tab.ctypes.data, 0))


@numba.njit
def change(m, tab, entity, time):
    """Set one timer; returns the time and the entity of the next event, and whether the timer is set."""
    words, rows = m_region(m.ctypes.data, 0), tab_region(tab.ctypes.data, 0)
    timers.set_timer(words, rows, entity, time)
    now, following = timers.next_event(words, rows, DOMAIN)
    return now, following, timers.is_set(words, rows, entity)


def tables(entities: int, where: int) -> tuple[np.ndarray, int]:
    first, words = timer_words(entities)
    tab = np.zeros(DOMAIN + at.X_WORDS + 2 * entities, np.int64)
    placed = DOMAIN + at.X_WORDS
    tab[at.N_DOMAIN], tab[at.A_DOMAIN], tab[at.A_ENTITY] = 1, DOMAIN, placed
    tab[at.ENTITY_BITS], tab[at.NEVER] = key_words(entities)
    tab[DOMAIN + np.array([at.X_TREE, at.X_NODES])] = where, words
    tab[placed:] = np.stack([np.full(entities, where), first + np.arange(entities)], 1).ravel()
    return tab, where + words


@pytest.mark.parametrize("entities", [2, 8, 9, 64, 65, 4097])
def test_the_earliest_and_of_those_the_first(entities):
    rng = np.random.default_rng(entities)
    tab, words = tables(entities, 8)
    m = np.full(words, -7, np.int64)  # words beside the timers must not matter
    clear(m, tab)
    latest = int(tab[at.NEVER]) - 1
    assert latest > 86_400_000_000_000  # a day
    expected = np.full(entities, int(at.INF))
    for _ in range(3000):
        entity = int(rng.integers(entities))
        late = latest - 50 if rng.random() < 0.1 else 0
        time = int(at.INF) if rng.random() < 0.2 else late + int(rng.integers(50))  # many at one time
        expected[entity] = time
        now, following, is_set = change(m, tab, entity, time)
        assert is_set == (time < at.INF)
        if expected.min() == at.INF:
            assert now > latest
        else:
            assert (now, following) == (expected.min(), int(expected.argmin()))
    assert (m[:8] == -7).all()
