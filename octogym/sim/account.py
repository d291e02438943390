"""Where requests end: counters, results by camera, the log, and the cell given back."""

from __future__ import annotations

import numpy as np

from octogym.sim.jit import jit
from octogym.sim.layout import (
    BATCH_HEAD,
    CAM,
    CAM_DROPPED,
    FATE_FULL,
    HEADER,
    IN_STAGE,
    INST,
    LOG,
    LOG_N,
    LOG_ROOM,
    NEXT,
    NIL,
    O_CAM,
    RUN_ARRIVE,
    RUN_BIRTH,
    RUN_N,
)
from octogym.sim.pool import free_cell
from octogym.sim.runs import camera_of, leaves_each, request_key


@jit
def write_log(m, cells, log, s, run, j, now, fate):
    """One line of the tests' log, for the j-th request of a run; nothing where none is kept."""
    if m[LOG_ROOM] > 0:
        at = m[LOG_N] * LOG
        log[at] = s
        log[at + 1] = np.int64(request_key(cells, run, j))
        log[at + 2] = cells[run + RUN_BIRTH]
        log[at + 3] = cells[run + RUN_ARRIVE]
        log[at + 4] = now
        log[at + 5] = fate
        m[LOG_N] += 1


@jit
def end_run(m, cells, tab, log, s, run, now, counter, fate, camera_counter):
    """The requests of a run end at instance s: `counter` of the instance, their leaves to `camera_counter` of their
    camera."""
    n = cells[run + RUN_N]
    m[HEADER + s * INST + counter] += n
    m[tab[O_CAM] + camera_of(cells, run) * CAM + camera_counter] += n * leaves_each(cells, run)
    if m[LOG_ROOM] > 0:
        for j in range(n):
            write_log(m, cells, log, s, run, j, now, fate)
    free_cell(m, cells, run)


@jit
def end_chain(m, cells, tab, log, s, run, now, counter, fate, camera_counter):
    """`end_run` for all of a chain inside instance s."""
    while run != NIL:
        after = cells[run + NEXT]
        m[HEADER + s * INST + IN_STAGE] -= cells[run + RUN_N]
        end_run(m, cells, tab, log, s, run, now, counter, fate, camera_counter)
        run = after


@jit
def drop_batch(m, cells, tab, log, s, batch, now, counter):
    """A full Q3 or Q4 gives up its oldest batch."""
    end_chain(m, cells, tab, log, s, cells[batch + BATCH_HEAD], now, counter, FATE_FULL, CAM_DROPPED)
    free_cell(m, cells, batch)
