"""What Python calls of the kernel, compiled by `entry`: functions of a table of `addresses` and of numbers."""

from __future__ import annotations

from octogym.sim import initial, pool
from octogym.sim.addresses import AT
from octogym.sim.fetching import fetch_rest, fetch_state
from octogym.sim.kernel import step_env
from octogym.sim.layout import CELL, N_DEVICE, ZERO
from octogym.sim.pointers import (
    call,
    cells_region,
    hist_region,
    links_region,
    log_region,
    m_region,
    plan_region,
    tab_region,
    todo_region,
    where_region,
)
from octogym.sim.rates import rate_at


def step(at, low, high):
    """Advance the environments `low` to `high` - 1, or (`on`) those of them whose `todo` int64 [E] is not 0; it becomes
    0, or the status to resolve. Returns how many have one. What shall be called for each (`Addresses.call_each`) is,
    while what the environment has left is in the cache."""
    where = where_region(at, 0)
    todo, tab = todo_region(where[AT.todo], 0), tab_region(where[AT.tab], 0)
    left, every = 0, where[AT.on] == 0
    for e in range(low, high):
        if every or todo[e] != 0:
            if e + 2 < high:
                fetch_state(where, e + 2)
            if e + 1 < high:
                fetch_rest(where, tab, e + 1)
            todo[e] = step_env(
                e,
                where,
                m_region(where[AT.m], e * where[AT.m_words]),
                cells_region(where[AT.cells], e * where[AT.cells_words]),
                tab,
                plan_region(where[AT.plan], e * where[AT.plan_words]),
                hist_region(where[AT.hist], e * where[AT.hist_words]),
                log_region(where[AT.log], e * where[AT.log_words]),
            )
            if todo[e] != 0:
                left += 1
            elif where[AT.each] != 0:
                call(where[AT.each], where[AT.each_argument], e)
    return left


def set_up(at, e, seed):
    """Environment e at time 0, and the rates of its links."""
    where = where_region(at, 0)
    m = m_region(where[AT.m], e * where[AT.m_words])
    cells = cells_region(where[AT.cells], e * where[AT.cells_words])
    tab = tab_region(where[AT.tab], 0)
    plan = plan_region(where[AT.plan], e * where[AT.plan_words])
    initial.set_up(m, cells, tab, where[AT.cells_words] // CELL, seed)
    n_links = 2 * tab[N_DEVICE]
    links = links_region(where[AT.out_links], e * n_links)
    for link in range(n_links):
        links[link] = rate_at(m, tab, plan, link, ZERO)[0]
    return 0


def add_cells(at, e, first, last):
    """Cells `first` to `last` - 1 of environment e become free."""
    where = where_region(at, 0)
    m = m_region(where[AT.m], e * where[AT.m_words])
    pool.add_cells(m, cells_region(where[AT.cells], e * where[AT.cells_words]), first, last)
    return 0
