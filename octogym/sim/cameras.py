"""Cameras: when frames come, what they show, where they go (docs/contract.md 3)."""

from __future__ import annotations

import math

import numpy as np

from octogym.cluster import draws
from octogym.cluster.workload import END_ERROR, END_LOOP
from octogym.sim.division import quotient
from octogym.sim.jit import jit, small
from octogym.sim.keys import fold, leaves, uniform
from octogym.sim.layout import (
    A_CAM,
    A_ROUTE,
    A_SERIES,
    A_STAGE,
    C_BYTES,
    C_DEVICE,
    C_FPS,
    C_GROUP,
    C_STAGE,
    C_WORDS,
    CALM,
    CAM,
    CAM_FRAMES,
    CAM_GENERATED,
    CAM_K,
    CAM_LOST,
    CAM_OBJECT_KEY,
    CAM_OBJECTS,
    CAM_PHASE,
    CAM_ROUNDING_KEY,
    CAM_SEGMENT,
    COUNTS_END,
    INF,
    MAX_OBJECTS,
    N_CLASS,
    N_DEVICE,
    N_GPU,
    N_INST,
    NIL,
    O_CAM,
    O_PRESENT,
    ONE,
    PLAN_CAMERA_K,
    PLAN_HEADER,
    PLAN_SEGMENT,
    POISSON,
    Q_AT,
    Q_LENGTH,
    Q_RATE,
    Q_STRIDE,
    Q_WORDS,
    R_TARGET,
    R_WORDS,
    RUN_ARRIVE,
    RUN_BIRTH,
    RUN_INDEX,
    RUN_KEY,
    RUN_N,
    RUN_OWNER,
    RUN_STEP,
    S_EDGES,
    S_FIXED,
    S_LEAF,
    S_N_EDGES,
    S_WORDS,
    SEED_KEY,
    STATUS,
    TRACE_ENDED,
)
from octogym.sim.links import send
from octogym.sim.pool import take_cell
from octogym.sim.spreading import choose_route
from octogym.sim.timers import set_timer

_ARRIVAL = draws.ARRIVAL


@jit
def frame_time(m, tab, camera, k, before):
    """When frame k comes; `before` is the time of frame k - 1."""
    fps = tab[tab[A_CAM] + camera * C_WORDS + C_FPS]
    if tab[POISSON]:
        key = fold(fold(fold(np.uint64(m[SEED_KEY]), _ARRIVAL), np.uint64(camera)), np.uint64(k))
        return before + max(1, np.int64(math.floor(-math.log(1.0 - uniform(key)) * (1_000_000_000_000 / fps))))
    return m[tab[O_CAM] + camera * CAM + CAM_PHASE] + quotient(k * 1_000_000_000_000, fps)


@small
def objects_of(m, tab, plan, camera, k, now):
    """Objects of frame k by class, 16 bits each; NIL if no frame is made."""
    state = tab[O_CAM] + camera * CAM
    segments = plan[PLAN_CAMERA_K]
    at = PLAN_HEADER + camera * segments * PLAN_SEGMENT
    segment = m[state + CAM_SEGMENT]
    while segment + 1 < segments and plan[at + (segment + 1) * PLAN_SEGMENT] <= now:
        segment += 1
    m[state + CAM_SEGMENT] = segment
    at += segment * PLAN_SEGMENT
    if plan[at + 1] < 0 or not m[tab[O_PRESENT] + tab[tab[A_CAM] + camera * C_WORDS + C_DEVICE]]:
        return NIL
    row = tab[A_SERIES] + plan[at + 1] * Q_WORDS
    fps = tab[tab[A_CAM] + camera * C_WORDS + C_FPS]
    sample, length = plan[at + 2] + quotient(k * tab[row + Q_RATE], fps), tab[row + Q_LENGTH]
    if sample >= length:
        if tab[COUNTS_END] == END_LOOP:
            sample %= length
        else:
            if tab[COUNTS_END] == END_ERROR:
                m[STATUS], m[CALM] = TRACE_ENDED, INF
            return NIL
    factor = plan[at + 3]
    packed = 0
    for q in range(tab[N_CLASS]):
        value = tab[tab[row + Q_AT] + q * tab[row + Q_STRIDE] + sample]
        if value < 0:
            return NIL
        n = value
        if factor != 1000:
            n = quotient(value * factor, 1000)
            rest = value * factor - 1000 * n
            if rest > 0:
                key = fold(np.uint64(m[state + CAM_ROUNDING_KEY]), np.uint64(k))
                if uniform(fold(key, np.uint64(q))) < rest / 1000:
                    n += 1
        packed |= min(n, MAX_OBJECTS) << (16 * q)
        m[state + CAM_OBJECTS] += n
    return packed


@small
def frame_leaves(tab, stage, key, packed):
    """Leaf results of a frame with these objects."""
    at = tab[A_STAGE] + stage * S_WORDS
    if tab[at + S_LEAF]:
        return 1
    total = 0
    for e in range(tab[at + S_N_EDGES]):
        target, q = tab[tab[at + S_EDGES] + 2 * e], tab[tab[at + S_EDGES] + 2 * e + 1]
        n = (packed >> (16 * q)) & MAX_OBJECTS
        each = tab[tab[A_STAGE] + target * S_WORDS + S_FIXED]
        if each >= 0:
            total += n * each
            continue
        base = fold(key, np.uint64(q))
        for j in range(n):
            total += leaves(tab, target, fold(base, np.uint64(j)))
    return total


@small
def camera_frame(m, cells, tab, plan, log, camera, now):
    """Camera's next frame is due: it goes to its first stage."""
    state = tab[O_CAM] + camera * CAM
    at = tab[A_CAM] + camera * C_WORDS
    k = m[state + CAM_K]
    m[state + CAM_K] = k + 1
    entity = tab[N_INST] + tab[N_GPU] + 2 * tab[N_DEVICE] + camera
    set_timer(m, tab, entity, frame_time(m, tab, camera, k + 1, now))
    packed = objects_of(m, tab, plan, camera, k, now)
    if packed == NIL:
        return
    key = fold(np.uint64(m[state + CAM_OBJECT_KEY]), np.uint64(k))
    count = frame_leaves(tab, tab[at + C_STAGE], key, packed)
    m[state + CAM_FRAMES] += 1
    m[state + CAM_GENERATED] += count
    group = tab[at + C_GROUP]
    route = choose_route(m, tab, group)
    if route == NIL:
        m[state + CAM_LOST] += count
        return
    frame = take_cell(m, cells)
    cells[frame + RUN_BIRTH] = cells[frame + RUN_ARRIVE] = now
    cells[frame + RUN_KEY] = np.int64(key)
    cells[frame + RUN_INDEX] = packed
    cells[frame + RUN_STEP] = 0
    cells[frame + RUN_N] = 1
    cells[frame + RUN_OWNER] = count << 16 | camera
    target = tab[tab[A_ROUTE] + route * R_WORDS + R_TARGET]
    send(m, cells, tab, plan, log, group, tab[at + C_DEVICE], target, frame, frame, ONE, tab[at + C_BYTES], now)
