"""Devices that leave lose what they hold, and return empty (docs/contract.md 9)."""

from __future__ import annotations

from octogym.cluster.settings import MAX_THREADS
from octogym.sim.account import end_chain
from octogym.sim.jit import jit
from octogym.sim.layout import (
    A_GPU,
    A_GROUP,
    A_INST,
    BATCH_HEAD,
    CAM_LOST,
    FATE_LOST,
    FRAME_HEAD,
    FRAME_N,
    G_DEVICE,
    G_WORDS,
    GPU,
    GPU_HEAD,
    GPU_N,
    GROUP,
    GROUP_Q5,
    HAND_DUE,
    HAND_FRAMES,
    HAND_HEAD,
    HAND_IMAGES,
    HEADER,
    I_DEVICE,
    I_WORDS,
    IN_LANE,
    INF,
    INFER,
    INFER_FREE,
    INST,
    LINK,
    LINK_BUSY,
    LINK_CUR,
    LINK_HEAD,
    LINK_START,
    LOST,
    N_CAM,
    N_DEVICE,
    N_GPU,
    N_GROUP,
    N_INST,
    NEXT,
    NIL,
    O_GPU,
    O_GROUP,
    O_LINK,
    O_PRESENT,
    P_DEVICE,
    P_WORDS,
    PLAN_ABSENT_K,
    PLAN_CAMERA_K,
    PLAN_HEADER,
    PLAN_LINK_K,
    PLAN_SEGMENT,
    POST_BATCH,
    POST_HIGH,
    POST_ITEM,
    POST_WAKE,
    PRE_BUSY,
    PRE_DONE,
    PRE_ITEM,
    Q1_HEAD,
    Q1_N,
    Q3_HEAD,
    Q3_N,
    Q4_HEAD,
    Q4_N,
    THREAD,
)
from octogym.sim.links import lose_message
from octogym.sim.pool import free_cell
from octogym.sim.timers import set_timer


@jit
def lose_batches(m, cells, tab, log, s, batch, now):
    while batch != NIL:
        after = cells[batch + NEXT]
        end_chain(m, cells, tab, log, s, cells[batch + BATCH_HEAD], now, LOST, FATE_LOST, CAM_LOST)
        free_cell(m, cells, batch)
        batch = after


@jit
def empty_instance(m, cells, tab, log, s, now):
    """All that instance s holds is lost."""
    i = HEADER + s * INST
    if m[i + Q1_HEAD] != NIL:
        end_chain(m, cells, tab, log, s, m[i + Q1_HEAD], now, LOST, FATE_LOST, CAM_LOST)
    for k in range(MAX_THREADS):
        if m[i + PRE_DONE + THREAD * k] != INF and m[i + PRE_ITEM + THREAD * k] != NIL:
            cells[m[i + PRE_ITEM + THREAD * k] + NEXT] = NIL
            end_chain(m, cells, tab, log, s, m[i + PRE_ITEM + THREAD * k], now, LOST, FATE_LOST, CAM_LOST)
        m[i + PRE_DONE + THREAD * k] = INF
    if m[i + FRAME_N] > 0:
        end_chain(m, cells, tab, log, s, m[i + FRAME_HEAD], now, LOST, FATE_LOST, CAM_LOST)
    if m[i + HAND_FRAMES] > 0:
        end_chain(m, cells, tab, log, s, m[i + HAND_HEAD], now, LOST, FATE_LOST, CAM_LOST)
    if m[i + Q3_N] > 0:
        lose_batches(m, cells, tab, log, s, m[i + Q3_HEAD], now)
    if m[i + Q4_N] > 0:
        lose_batches(m, cells, tab, log, s, m[i + Q4_HEAD], now)
    lose_batches(m, cells, tab, log, s, m[i + INFER], now)
    for k in range(m[i + POST_HIGH]):
        if m[i + POST_BATCH + THREAD * k] != NIL:
            end_chain(m, cells, tab, log, s, m[i + POST_ITEM + THREAD * k], now, LOST, FATE_LOST, CAM_LOST)
            free_cell(m, cells, m[i + POST_BATCH + THREAD * k])
            m[i + POST_BATCH + THREAD * k] = NIL
        m[i + POST_WAKE + THREAD * k] = now
    m[i + Q1_N] = m[i + Q3_N] = m[i + Q4_N] = m[i + PRE_BUSY] = m[i + FRAME_N] = 0
    m[i + HAND_FRAMES] = m[i + HAND_IMAGES] = m[i + IN_LANE] = 0
    m[i + HAND_DUE] = INF
    m[i + INFER] = m[i + HAND_HEAD] = m[i + Q1_HEAD] = NIL
    m[i + INFER_FREE] = now


@jit
def empty_link(m, cells, tab, log, link, now):
    state = tab[O_LINK] + link * LINK
    if m[state + LINK_CUR] != NIL:
        m[state + LINK_BUSY] += max(0, now - m[state + LINK_START])
        lose_message(m, cells, tab, log, m[state + LINK_CUR], now, FATE_LOST, CAM_LOST)
        m[state + LINK_CUR] = NIL
    message = m[state + LINK_HEAD]
    while message != NIL:
        after = cells[message + NEXT]
        lose_message(m, cells, tab, log, message, now, FATE_LOST, CAM_LOST)
        message = after
    m[state + LINK_HEAD] = NIL
    set_timer(m, tab, tab[N_INST] + tab[N_GPU] + link, INF)


@jit
def leave(m, cells, tab, log, device, now):
    for s in range(tab[N_INST]):
        if tab[tab[A_INST] + s * I_WORDS + I_DEVICE] == device:
            empty_instance(m, cells, tab, log, s, now)
    for gpu in range(tab[N_GPU]):
        if tab[tab[A_GPU] + gpu * P_WORDS + P_DEVICE] == device:
            m[tab[O_GPU] + gpu * GPU + GPU_N] = 0
            m[tab[O_GPU] + gpu * GPU + GPU_HEAD] = NIL
            set_timer(m, tab, tab[N_INST] + gpu, INF)
    for group in range(tab[N_GROUP]):
        if tab[tab[A_GROUP] + group * G_WORDS + G_DEVICE] == device:
            m[tab[O_GROUP] + group * GROUP + GROUP_Q5] = 0
    empty_link(m, cells, tab, log, device, now)
    empty_link(m, cells, tab, log, tab[N_DEVICE] + device, now)


@jit
def update_presence(m, cells, tab, plan, log, now):
    """Devices leave or return as the plan says for the window that starts now."""
    k_absent = plan[PLAN_ABSENT_K]
    base = (
        PLAN_HEADER + tab[N_CAM] * plan[PLAN_CAMERA_K] * PLAN_SEGMENT + 2 * tab[N_DEVICE] * (2 + 2 * plan[PLAN_LINK_K])
    )
    for device in range(tab[N_DEVICE]):
        present = 1
        for k in range(k_absent):
            at = base + (device * k_absent + k) * 2
            if plan[at] <= now < plan[at + 1]:
                present = 0
        if m[tab[O_PRESENT] + device] and not present:
            leave(m, cells, tab, log, device, now)
        m[tab[O_PRESENT] + device] = present
