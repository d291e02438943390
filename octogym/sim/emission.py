"""What a finished image sends on: its crops, one message per target (docs/contract.md 5)."""

from __future__ import annotations

import numpy as np

from octogym.cluster.draws import RECALL
from octogym.sim.jit import jit, small
from octogym.sim.keys import below, children, children_key, fold, fold_here, found, leaves
from octogym.sim.layout import (
    A_GROUP,
    A_INST,
    A_ROUTE,
    ALWAYS,
    CAM,
    CAM_LOST,
    CAM_MISSED,
    G_BYTES,
    G_CLASS,
    G_DEVICE,
    G_FIXED,
    G_HIGH,
    G_KEYLESS,
    G_LOW,
    G_STAGE,
    G_WORDS,
    I_FIRST,
    I_GROUPS,
    I_N_GROUPS,
    I_RECALL,
    I_STAGE,
    I_WORDS,
    LOG_ROOM,
    MAX_OBJECTS,
    NEXT,
    NIL,
    O_CAM,
    O_ROUTE,
    ONE,
    R_TARGET,
    R_WORDS,
    ROUTE,
    ROUTE_HEAD,
    ROUTE_N,
    ROUTE_TAIL,
    RUN_ARRIVE,
    RUN_BIRTH,
    RUN_INDEX,
    RUN_KEY,
    RUN_N,
    RUN_OWNER,
    RUN_STEP,
    ZERO,
)
from octogym.sim.links import send
from octogym.sim.pool import take_cell
from octogym.sim.runs import camera_of, leaves_each, request_key
from octogym.sim.spreading import choose_route, reachable


@small
def new_run(m, cells, parent, base, first, n, each, now):
    """A run of n crops of the image `parent`, which wait in the send queue from `now` on."""
    run = take_cell(m, cells)
    cells[run + RUN_BIRTH] = cells[parent + RUN_BIRTH]
    cells[run + RUN_ARRIVE] = now
    cells[run + RUN_KEY] = np.int64(base)
    cells[run + RUN_INDEX] = first
    cells[run + RUN_STEP] = 1
    cells[run + RUN_N] = n
    cells[run + RUN_OWNER] = each << 16 | camera_of(cells, parent)
    return run


@jit
def add_crop(m, cells, tab, group, keyless, parent, base, j, now):
    """Crop j joins the message of its route; its leaves are lost if there is no route."""
    each = leaves(tab, tab[tab[A_GROUP] + group * G_WORDS + G_STAGE], fold(base, np.uint64(j)))
    route = choose_route(m, tab, group)
    if route == NIL:
        m[tab[O_CAM] + camera_of(cells, parent) * CAM + CAM_LOST] += each
        return
    state = tab[O_ROUTE] + route * ROUTE
    n = m[state + ROUTE_N]
    m[state + ROUTE_N] = n + 1
    if n > 0:
        tail = m[state + ROUTE_TAIL]
        if keyless:
            cells[tail + RUN_N] += 1
            return
        gap = j - cells[tail + RUN_INDEX]
        if leaves_each(cells, tail) == each:
            if cells[tail + RUN_N] == 1:
                cells[tail + RUN_STEP] = gap
            if cells[tail + RUN_STEP] * cells[tail + RUN_N] == gap:
                cells[tail + RUN_N] += 1
                return
    run = new_run(m, cells, parent, base, j, ONE, each, now)
    if n == 0:
        m[state + ROUTE_HEAD] = run
    else:
        cells[m[state + ROUTE_TAIL] + NEXT] = run
    m[state + ROUTE_TAIL] = run


@small
def send_together(m, cells, tab, plan, log, group, parent, base, n, each, now):
    """n crops alike on the only route of a group."""
    at = tab[A_GROUP] + group * G_WORDS
    route = tab[at + G_LOW]
    if not reachable(m, tab, route):
        m[tab[O_CAM] + camera_of(cells, parent) * CAM + CAM_LOST] += n * each
        return
    run = new_run(m, cells, parent, base, ZERO, n, each, now)
    target = tab[tab[A_ROUTE] + route * R_WORDS + R_TARGET]
    send(m, cells, tab, plan, log, group, tab[at + G_DEVICE], target, run, run, n, n * tab[at + G_BYTES], now)


@jit
def send_group(m, cells, tab, plan, log, group, now):
    """The messages of one group leave, in route order."""
    at = tab[A_GROUP] + group * G_WORDS
    for r in range(tab[at + G_LOW], tab[at + G_HIGH]):
        state = tab[O_ROUTE] + r * ROUTE
        n = m[state + ROUTE_N]
        if n > 0:
            m[state + ROUTE_N] = 0
            target = tab[tab[A_ROUTE] + r * R_WORDS + R_TARGET]
            head, tail, size = m[state + ROUTE_HEAD], m[state + ROUTE_TAIL], n * tab[at + G_BYTES]
            send(m, cells, tab, plan, log, group, tab[at + G_DEVICE], target, head, tail, n, size, now)


@small
def count_found(base, n, recall):
    """How many of the crops 0 to n - 1 are found."""
    count = 0
    for j in range(n):
        count += below(fold_here(fold_here(base, np.uint64(j)), RECALL), recall)
    return count


@small
def emit(m, cells, tab, plan, log, s, image, pack, now):
    """The first image of a run of instance s is finished at `now`: its crops go on, those not found are missed."""
    a = tab[A_INST] + s * I_WORDS
    key = request_key(cells, image, ZERO)
    first = tab[a + I_FIRST]
    recall = tab[a + I_RECALL + (pack - 1 if first else 0)]
    missed = tab[O_CAM] + camera_of(cells, image) * CAM + CAM_MISSED
    stage, base, n = tab[a + I_STAGE], key, 0
    if not first:
        base = children_key(tab, stage, key)
        n = children(tab, stage, base)
        if n == 0:
            return
    for g in range(tab[a + I_N_GROUPS]):
        group = tab[tab[a + I_GROUPS] + g]
        at = tab[A_GROUP] + group * G_WORDS
        if first:
            q = tab[at + G_CLASS]
            n = (cells[image + RUN_INDEX] >> (16 * q)) & MAX_OBJECTS
            if n == 0:
                continue
            base = fold(key, np.uint64(q))
        each = tab[at + G_FIXED]
        # Where nobody asks for their keys, crops of an image are only counted.
        keyless = tab[at + G_KEYLESS] and m[LOG_ROOM] == 0
        if tab[at + G_HIGH] - tab[at + G_LOW] == 1 and (keyless or (each >= 0 and recall >= ALWAYS)):
            k = n if recall >= ALWAYS else count_found(base, n, recall)
            m[missed] += (n - k) * each
            if k > 0:
                send_together(m, cells, tab, plan, log, group, image, base, k, each, now)
            continue
        for j in range(n):
            crop = fold(base, np.uint64(j))
            if found(crop, recall):
                add_crop(m, cells, tab, group, keyless, image, base, j, now)
            else:
                m[missed] += leaves(tab, tab[at + G_STAGE], crop)
        send_group(m, cells, tab, plan, log, group, now)
