"""An environment's state at time 0."""

from __future__ import annotations

import numpy as np

from octogym.cluster import draws
from octogym.cluster.settings import MAX_THREADS
from octogym.cluster.telemetry import BINS
from octogym.sim.cameras import frame_time
from octogym.sim.jit import jit
from octogym.sim.keys import fold, uniform
from octogym.sim.layout import (
    A_CAM,
    A_INST,
    A_ROUTE,
    ACTIVE,
    ASKED_POST,
    ASKED_PRE,
    BATCH,
    C_FPS,
    C_WORDS,
    CAM,
    CAM_OBJECT_KEY,
    CAM_PHASE,
    CAM_ROUNDING_KEY,
    FREE,
    GPU,
    GPU_HEAD,
    HAND_DUE,
    HAND_HEAD,
    HEADER,
    HIST_HIGH,
    HIST_LOW,
    I_ACTIVE,
    I_INITIAL,
    I_WORDS,
    INF,
    INFER,
    INST,
    LATENCY,
    LEAF_HIGH,
    LEAF_LOW,
    LINK,
    LINK_CUR,
    LINK_HEAD,
    LINK_INBOX,
    N_CAM,
    N_DEVICE,
    N_GPU,
    N_INST,
    N_ROUTE,
    NIL,
    O_CAM,
    O_GPU,
    O_LINK,
    O_PRESENT,
    O_ROUTE,
    PACK,
    POST,
    POST_BATCH,
    POST_HIGH,
    PRE,
    PRE_DONE,
    PRE_HIGH,
    PRE_ITEM,
    Q1_HEAD,
    R_SHARE,
    R_WORDS,
    ROUTE,
    ROUTE_SHARE,
    SEED_KEY,
    SHOWN_POST,
    SHOWN_PRE,
    THREAD,
    TIMEOUT,
    ZERO,
)
from octogym.sim.pool import add_cells
from octogym.sim.timers import clear_timers, set_timer

_PHASE, _OBJECT, _ROUNDING = draws.PHASE, draws.OBJECT, draws.ROUNDING


@jit
def set_up(m, cells, tab, n_cells, seed):
    """Empty queues, initial settings, the first frames due; m must be all zero."""
    m[SEED_KEY] = np.int64(fold(np.uint64(0), np.uint64(seed)))
    m[FREE] = NIL
    add_cells(m, cells, 0, n_cells)
    clear_timers(m, tab)
    for s in range(tab[N_INST]):
        i, initial = HEADER + s * INST, tab[A_INST] + s * I_WORDS + I_INITIAL
        m[i + ACTIVE] = tab[tab[A_INST] + s * I_WORDS + I_ACTIVE]
        m[i + PACK], m[i + BATCH] = tab[initial], tab[initial + 1]
        m[i + PRE] = m[i + SHOWN_PRE] = m[i + PRE_HIGH] = tab[initial + 2]
        m[i + POST] = m[i + SHOWN_POST] = m[i + POST_HIGH] = tab[initial + 3]
        m[i + TIMEOUT] = tab[initial + 4]
        m[i + ASKED_PRE] = m[i + ASKED_POST] = m[i + INFER] = m[i + HAND_HEAD] = m[i + Q1_HEAD] = NIL
        m[i + HAND_DUE] = INF
        m[i + HIST_LOW] = m[i + LEAF_LOW] = BINS
        m[i + HIST_HIGH] = m[i + LEAF_HIGH] = -1
        for k in range(MAX_THREADS):
            m[i + PRE_DONE + THREAD * k] = INF
            m[i + PRE_ITEM + THREAD * k] = NIL
            m[i + POST_BATCH + THREAD * k] = m[i + LATENCY + THREAD * k] = NIL
    for gpu in range(tab[N_GPU]):
        m[tab[O_GPU] + gpu * GPU + GPU_HEAD] = NIL
    for link in range(2 * tab[N_DEVICE]):
        state = tab[O_LINK] + link * LINK
        m[state + LINK_HEAD] = m[state + LINK_CUR] = m[state + LINK_INBOX] = NIL
    for d in range(tab[N_DEVICE]):
        m[tab[O_PRESENT] + d] = 1
    for r in range(tab[N_ROUTE]):
        m[tab[O_ROUTE] + r * ROUTE + ROUTE_SHARE] = tab[tab[A_ROUTE] + r * R_WORDS + R_SHARE]
    for c in range(tab[N_CAM]):
        gap = 1_000_000_000_000 // tab[tab[A_CAM] + c * C_WORDS + C_FPS]
        key = fold(fold(np.uint64(m[SEED_KEY]), _PHASE), np.uint64(c))
        state = tab[O_CAM] + c * CAM
        m[state + CAM_OBJECT_KEY] = np.int64(fold(fold(np.uint64(m[SEED_KEY]), _OBJECT), np.uint64(c)))
        m[state + CAM_ROUNDING_KEY] = np.int64(fold(fold(np.uint64(m[SEED_KEY]), _ROUNDING), np.uint64(c)))
        m[state + CAM_PHASE] = np.int64(uniform(key) * gap)
        entity = tab[N_INST] + tab[N_GPU] + 2 * tab[N_DEVICE] + c
        set_timer(m, tab, entity, frame_time(m, tab, c, ZERO, ZERO))
