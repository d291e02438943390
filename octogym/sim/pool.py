"""Cells for requests, batches and messages; lists are chained through NEXT. A reference is the cell's offset, NIL =
none."""

from __future__ import annotations

from octogym.sim.jit import jit, small
from octogym.sim.layout import CELL, FREE, FREE_N, N_CELLS, NEXT, NIL


@small
def take_cell(m, cells):
    """A free cell; the event loop sees to it that there is one."""
    cell = m[FREE]
    m[FREE] = cells[cell + NEXT]
    m[FREE_N] -= 1
    cells[cell + NEXT] = NIL
    return cell


@small
def free_cell(m, cells, cell):
    cells[cell + NEXT] = m[FREE]
    m[FREE] = cell
    m[FREE_N] += 1


@jit
def add_cells(m, cells, first, last):
    """Put cells number `first` to `last - 1` on the free list, lowest first."""
    m[N_CELLS] = last
    for number in range(last - 1, first - 1, -1):
        free_cell(m, cells, number * CELL)
