"""The batcher's hand: frames gather until they leave as a batch to Q3 (docs/contract.md 4)."""

from __future__ import annotations

from octogym.sim.account import drop_batch
from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    A_INST,
    BATCH,
    BATCH_FRAMES,
    BATCH_HEAD,
    BATCH_IMAGES,
    BATCH_PACK,
    DROPPED_FULL,
    FRAME_HEAD,
    FRAME_N,
    HAND_DUE,
    HAND_FRAMES,
    HAND_HEAD,
    HAND_IMAGES,
    HAND_SINCE,
    HAND_TAIL,
    HEADER,
    I_CAP3,
    I_INFER,
    I_LEAD,
    I_POST_NS,
    I_SLO,
    I_WORDS,
    INF,
    INST,
    NEXT,
    NIL,
    PACK,
    Q3_HEAD,
    Q3_N,
    Q3_TAIL,
    RUN_BIRTH,
    TIMEOUT,
)
from octogym.sim.pool import take_cell
from octogym.sim.runs import join


@small
def close_hand(m, cells, tab, log, s, now):
    """The hand leaves as a batch; a full Q3 drops its oldest first."""
    i = HEADER + s * INST
    if m[i + Q3_N] >= tab[tab[A_INST] + s * I_WORDS + I_CAP3]:
        oldest = m[i + Q3_HEAD]
        m[i + Q3_HEAD] = cells[oldest + NEXT]
        m[i + Q3_N] -= 1
        drop_batch(m, cells, tab, log, s, oldest, now, DROPPED_FULL)
    batch = take_cell(m, cells)
    cells[batch + BATCH_HEAD] = m[i + HAND_HEAD]
    cells[batch + BATCH_IMAGES] = m[i + HAND_IMAGES]
    cells[batch + BATCH_FRAMES] = m[i + HAND_FRAMES]
    cells[batch + BATCH_PACK] = m[i + PACK]
    if m[i + Q3_N] == 0:
        m[i + Q3_HEAD] = batch
    else:
        cells[m[i + Q3_TAIL] + NEXT] = batch
    m[i + Q3_TAIL] = batch
    m[i + Q3_N] += 1
    m[i + HAND_IMAGES] = 0
    m[i + HAND_FRAMES] = 0
    m[i + HAND_HEAD] = NIL
    m[i + HAND_DUE] = INF


@small
def deadline_of(m, cells, tab, s, item):
    """When deadline batching lets the batch of `item` go."""
    i, a = HEADER + s * INST, tab[A_INST] + s * I_WORDS
    work = tab[tab[a + I_INFER] + m[i + BATCH] - 1] + tab[a + I_POST_NS]
    return cells[item + RUN_BIRTH] + tab[a + I_SLO] - work * 12 // 10 - tab[a + I_LEAD]


@small
def set_due(m, cells, tab, s, item, now):
    """Account in HAND_DUE for the images from `item` on, which are in the hand."""
    i = HEADER + s * INST
    timeout = m[i + TIMEOUT]
    if timeout > 0:
        m[i + HAND_DUE] = m[i + HAND_SINCE] + timeout
    elif timeout < 0:
        while item != NIL:
            m[i + HAND_DUE] = min(m[i + HAND_DUE], max(now, deadline_of(m, cells, tab, s, item)))
            item = cells[item + NEXT]


@small
def add_to_hand(m, cells, i, run, now):
    """A run of images, each of a complete frame of its own or of the frame being handed over, joins the hand."""
    if m[i + HAND_HEAD] == NIL:
        cells[run + NEXT] = NIL
        m[i + HAND_HEAD] = m[i + HAND_TAIL] = run
        m[i + HAND_SINCE] = now
    else:
        m[i + HAND_TAIL] = join(m, cells, m[i + HAND_TAIL], run)


@jit
def frame_to_hand(m, cells, tab, log, s, now):
    """The frame being filled is complete, or flushed."""
    i = HEADER + s * INST
    image = m[i + FRAME_HEAD]
    if m[i + TIMEOUT] < 0:
        set_due(m, cells, tab, s, image, now)
    while image != NIL:
        after = cells[image + NEXT]
        add_to_hand(m, cells, i, image, now)
        image = after
    m[i + HAND_FRAMES] += 1
    m[i + HAND_IMAGES] += m[i + FRAME_N]
    m[i + FRAME_N] = 0
    if m[i + HAND_FRAMES] >= m[i + BATCH]:
        close_hand(m, cells, tab, log, s, now)
    elif m[i + TIMEOUT] > 0:
        set_due(m, cells, tab, s, NIL, now)
