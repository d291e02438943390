"""Where requests end: counters, results by camera, the log, and the cell given back."""

from __future__ import annotations

from octogym.sim.jit import inline, jit
from octogym.sim.layout import (
    BATCH_HEAD,
    CAM,
    CAM_DROPPED,
    FATE_FULL,
    HEADER,
    IN_STAGE,
    INST,
    ITEM_ARRIVE,
    ITEM_BIRTH,
    ITEM_CAM,
    ITEM_KEY,
    ITEM_LEAVES,
    LOG,
    LOG_N,
    LOG_ROOM,
    NEXT,
    NIL,
    O_CAM,
)
from octogym.sim.pool import free_cell


@inline
def write_log(m, cells, log, s, item, now, fate):
    """One line of the tests' log; nothing where none is kept."""
    if m[LOG_ROOM] > 0:
        at = m[LOG_N] * LOG
        log[at] = s
        log[at + 1] = cells[item + ITEM_KEY]
        log[at + 2] = cells[item + ITEM_BIRTH]
        log[at + 3] = cells[item + ITEM_ARRIVE]
        log[at + 4] = now
        log[at + 5] = fate
        m[LOG_N] += 1


@jit
def end_item(m, cells, tab, log, s, item, now, counter, fate, camera_counter):
    """Request `item` ends at instance s: `counter` of the instance, its leaves to `camera_counter` of its camera."""
    m[HEADER + s * INST + counter] += 1
    m[tab[O_CAM] + cells[item + ITEM_CAM] * CAM + camera_counter] += cells[item + ITEM_LEAVES]
    write_log(m, cells, log, s, item, now, fate)
    free_cell(m, cells, item)


@jit
def end_chain(m, cells, tab, log, s, item, now, counter, fate, camera_counter):
    """`end_item` for all of a chain inside instance s; returns how many."""
    n = 0
    while item != NIL:
        after = cells[item + NEXT]
        end_item(m, cells, tab, log, s, item, now, counter, fate, camera_counter)
        item = after
        n += 1
    m[HEADER + s * INST + IN_STAGE] -= n
    return n


@jit
def drop_batch(m, cells, tab, log, s, batch, now, counter):
    """A full Q3 or Q4 gives up its oldest batch."""
    end_chain(m, cells, tab, log, s, cells[batch + BATCH_HEAD], now, counter, FATE_FULL, CAM_DROPPED)
    free_cell(m, cells, batch)
