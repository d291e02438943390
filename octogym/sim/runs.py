"""Runs: requests of one image that travel together, one cell for all of them (layout.RUN_N).

They part where the pipeline parts them, and join again where they meet in their old order.
"""

from __future__ import annotations

import numpy as np

from octogym.sim.jit import jit, small
from octogym.sim.keys import fold
from octogym.sim.layout import NEXT, NIL, RUN_ARRIVE, RUN_BIRTH, RUN_INDEX, RUN_KEY, RUN_N, RUN_OWNER, RUN_STEP
from octogym.sim.pool import free_cell, take_cell


@small
def request_key(cells, run, j):
    """Key of the j-th request of a run, uint64."""
    key = np.uint64(cells[run + RUN_KEY])
    if cells[run + RUN_STEP] == 0:
        return key
    return fold(key, np.uint64(cells[run + RUN_INDEX] + j * cells[run + RUN_STEP]))


@small
def camera_of(cells, run):
    return cells[run + RUN_OWNER] & 0xFFFF


@small
def leaves_each(cells, run):
    """Leaf results of each request of a run."""
    return cells[run + RUN_OWNER] >> 16


@jit
def split(m, cells, run, n):
    """Take the first n requests, fewer than all, off a run; returns theirs, chained to nothing."""
    part = take_cell(m, cells)
    cells[part + RUN_BIRTH] = cells[run + RUN_BIRTH]
    cells[part + RUN_ARRIVE] = cells[run + RUN_ARRIVE]
    cells[part + RUN_KEY] = cells[run + RUN_KEY]
    cells[part + RUN_INDEX] = cells[run + RUN_INDEX]
    cells[part + RUN_STEP] = cells[run + RUN_STEP]
    cells[part + RUN_N] = n
    cells[part + RUN_OWNER] = cells[run + RUN_OWNER]
    cells[run + RUN_INDEX] += n * cells[run + RUN_STEP]
    cells[run + RUN_N] -= n
    return part


@jit
def join(m, cells, tail, run):
    """Chain `run` behind `tail`, as one run where it continues it; returns the new tail."""
    cells[run + NEXT] = NIL
    step, n = cells[tail + RUN_STEP], cells[tail + RUN_N]
    if (
        step != 0
        and cells[tail + RUN_KEY] == cells[run + RUN_KEY]
        and cells[tail + RUN_INDEX] + n * step == cells[run + RUN_INDEX]
        and cells[tail + RUN_STEP] == cells[run + RUN_STEP]
        and cells[tail + RUN_OWNER] == cells[run + RUN_OWNER]
        and cells[tail + RUN_ARRIVE] == cells[run + RUN_ARRIVE]
    ):
        cells[tail + RUN_N] = n + cells[run + RUN_N]
        free_cell(m, cells, run)
        return tail
    cells[tail + NEXT] = run
    return run
