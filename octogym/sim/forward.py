"""A finished image whose crops go on: post-processing of instances that are no leaves, event by event."""

from __future__ import annotations

from octogym.sim.emission import emit
from octogym.sim.jit import small
from octogym.sim.layout import BATCH_PACK, HEADER, INST, NIL, ONE, POST_BATCH, POST_ITEM, POST_NEXT, THREAD
from octogym.sim.post import finish_image, move_on, schedule_post, take_next_batch


@small
def post_event(m, cells, tab, plan, hist, log, s, now):
    """The timer of instance s: a thread finishes an image, or takes a batch after its rest."""
    i = HEADER + s * INST
    thread = m[i + POST_NEXT]
    batch = m[i + POST_BATCH + THREAD * thread]
    if batch == NIL:
        take_next_batch(m, cells, tab, s, thread, now)
    else:
        run = m[i + POST_ITEM + THREAD * thread]
        finish_image(m, cells, tab, hist, log, s, run, now)
        emit(m, cells, tab, plan, log, s, run, cells[batch + BATCH_PACK], now)
        move_on(m, cells, tab, s, thread, ONE, now)
    schedule_post(m, tab, s)
