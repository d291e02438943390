"""What finished images and cameras send on: crops, spreading over routes, frames (docs/contract.md 3 and 5)."""

from __future__ import annotations

import math

import numpy as np

from octogym.cluster import draws
from octogym.cluster.workload import END_ERROR, END_LOOP
from octogym.sim.jit import jit
from octogym.sim.keys import children, children_key, fold, found, leaves, uniform
from octogym.sim.layout import (
    A_CAM,
    A_GROUP,
    A_INST,
    A_ROUTE,
    A_SERIES,
    A_STAGE,
    ACTIVE,
    ALWAYS,
    C_BYTES,
    C_DEVICE,
    C_FPS,
    C_GROUP,
    C_STAGE,
    C_WORDS,
    CAM,
    CAM_FRAMES,
    CAM_GENERATED,
    CAM_K,
    CAM_LOST,
    CAM_MISSED,
    CAM_OBJECTS,
    CAM_PHASE,
    CAM_SEGMENT,
    COUNTS_END,
    G_BYTES,
    G_CLASS,
    G_DEVICE,
    G_HIGH,
    G_LOW,
    G_STAGE,
    G_WORDS,
    GROUP,
    GROUP_N,
    HEADER,
    I_FIRST,
    I_GROUPS,
    I_N_GROUPS,
    I_RECALL,
    I_STAGE,
    I_WORDS,
    INST,
    MAX_OBJECTS,
    N_CLASS,
    N_DEVICE,
    N_GPU,
    N_INST,
    NEXT,
    NIL,
    O_CAM,
    O_GROUP,
    O_PRESENT,
    O_ROUTE,
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
    R_DEVICE,
    R_TARGET,
    R_WORDS,
    ROUTE,
    ROUTE_COUNT,
    ROUTE_CREDIT,
    ROUTE_HEAD,
    ROUTE_N,
    ROUTE_SHARE,
    ROUTE_TAIL,
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
    TIJDEMAN,
    TRACE_ENDED,
    ZERO,
)
from octogym.sim.links import send
from octogym.sim.pool import take_cell
from octogym.sim.runs import camera_of, leaves_each, request_key
from octogym.sim.timers import set_timer

_OBJECT, _ROUNDING, _ARRIVAL = draws.OBJECT, draws.ROUNDING, draws.ARRIVAL


@jit
def tijdeman(m, tab, group, low, high):
    """The route of the group's next request: after any n requests each count is within 1 of n times its share
    (Tijdeman 1980, The chairman assignment problem)."""
    routes, state = tab[O_ROUTE], tab[O_GROUP] + group * GROUP
    used = 0
    for r in range(low, high):
        used += m[routes + r * ROUTE + ROUTE_SHARE] > 0
    n = m[state + GROUP_N] + 1
    span = 2 * used - 2
    best, best_slack, best_share = NIL, 0, 1
    for r in range(low, high):
        share = m[routes + r * ROUTE + ROUTE_SHARE]
        if share == 0:
            continue
        if used == 1:
            best = r
            break
        due = (share * n - 1000 * m[routes + r * ROUTE + ROUTE_COUNT]) * span
        if due >= 1000:
            slack = 1000 * span - 1000 - due
            if best == NIL or slack * best_share < best_slack * share:
                best, best_slack, best_share = r, slack, share
    m[state + GROUP_N] = n
    m[routes + best * ROUTE + ROUTE_COUNT] += 1
    if n == 1000:
        m[state + GROUP_N] = 0
        for r in range(low, high):
            m[routes + r * ROUTE + ROUTE_COUNT] = 0
    return best


@jit
def smooth_round_robin(m, tab, low, high):
    """Smooth weighted round robin: the option that the published executor used."""
    routes = tab[O_ROUTE]
    best = NIL
    for r in range(low, high):
        share = m[routes + r * ROUTE + ROUTE_SHARE]
        m[routes + r * ROUTE + ROUTE_CREDIT] += share
        credit = m[routes + r * ROUTE + ROUTE_CREDIT]
        if share > 0 and (best == NIL or credit > m[routes + best * ROUTE + ROUTE_CREDIT]):
            best = r
    m[routes + best * ROUTE + ROUTE_CREDIT] -= 1000
    return best


@jit
def reachable(m, tab, route):
    at = tab[A_ROUTE] + route * R_WORDS
    return m[HEADER + tab[at + R_TARGET] * INST + ACTIVE] == 1 and m[tab[O_PRESENT] + tab[at + R_DEVICE]] == 1


@jit
def choose_route(m, tab, group):
    """Route of the group's next request; NIL if none leads to an active instance on a present device."""
    at = tab[A_GROUP] + group * G_WORDS
    low, high = tab[at + G_LOW], tab[at + G_HIGH]
    route = low
    if high - low > 1:
        route = tijdeman(m, tab, group, low, high) if tab[TIJDEMAN] else smooth_round_robin(m, tab, low, high)
    if reachable(m, tab, route):
        return route
    for r in range(low, high):
        if reachable(m, tab, r):
            return r
    return NIL


@jit
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
def add_crop(m, cells, tab, group, parent, base, j, now):
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


@jit
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


@jit
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
        each = tab[tab[A_STAGE] + tab[at + G_STAGE] * S_WORDS + S_FIXED]
        if each >= 0 and recall >= ALWAYS and tab[at + G_HIGH] - tab[at + G_LOW] == 1:
            send_together(m, cells, tab, plan, log, group, image, base, n, each, now)
            continue
        for j in range(n):
            crop = fold(base, np.uint64(j))
            if found(crop, recall):
                add_crop(m, cells, tab, group, image, base, j, now)
            else:
                m[missed] += leaves(tab, tab[at + G_STAGE], crop)
        send_group(m, cells, tab, plan, log, group, now)


@jit
def frame_time(m, tab, camera, k, before):
    """When frame k comes; `before` is the time of frame k - 1."""
    fps = tab[tab[A_CAM] + camera * C_WORDS + C_FPS]
    if tab[POISSON]:
        key = fold(fold(fold(np.uint64(m[SEED_KEY]), _ARRIVAL), np.uint64(camera)), np.uint64(k))
        return before + max(1, np.int64(math.floor(-math.log(1.0 - uniform(key)) * (1_000_000_000_000 / fps))))
    return m[tab[O_CAM] + camera * CAM + CAM_PHASE] + k * 1_000_000_000_000 // fps


@jit
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
    sample, length = plan[at + 2] + k * tab[row + Q_RATE] // fps, tab[row + Q_LENGTH]
    if sample >= length:
        if tab[COUNTS_END] == END_LOOP:
            sample %= length
        else:
            if tab[COUNTS_END] == END_ERROR:
                m[STATUS] = TRACE_ENDED
            return NIL
    factor = plan[at + 3]
    packed = 0
    for q in range(tab[N_CLASS]):
        value = tab[tab[row + Q_AT] + q * tab[row + Q_STRIDE] + sample]
        if value < 0:
            return NIL
        n = value
        if factor != 1000:
            n = value * factor // 1000
            rest = value * factor % 1000
            if rest > 0:
                key = fold(fold(np.uint64(m[SEED_KEY]), _ROUNDING), np.uint64(camera))
                if uniform(fold(fold(key, np.uint64(k)), np.uint64(q))) < rest / 1000:
                    n += 1
        packed |= min(n, MAX_OBJECTS) << (16 * q)
        m[state + CAM_OBJECTS] += n
    return packed


@jit
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


@jit
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
    key = fold(fold(fold(np.uint64(m[SEED_KEY]), _OBJECT), np.uint64(camera)), np.uint64(k))
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
