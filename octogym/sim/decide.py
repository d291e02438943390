"""The window's start: absence, the decision, the stretch of CPU stages (docs/contract.md 2, items 1 to 3)."""

from __future__ import annotations

from octogym.cluster.settings import KEEP_SHARE, MAX_THREADS
from octogym.cluster.telemetry import BY_HOST, BY_SAFE
from octogym.sim.hand import close_hand, frame_to_hand, set_due
from octogym.sim.intake import fill_threads
from octogym.sim.jit import jit
from octogym.sim.layout import (
    A_DEVICE,
    A_GROUP,
    A_INST,
    ACTIVE,
    ASKED_POST,
    ASKED_PRE,
    BATCH,
    CONTENTION,
    D_CORES,
    D_WORDS,
    FRAME_N,
    G_HIGH,
    G_LOW,
    G_WORDS,
    GROUP,
    GROUP_KEPT,
    GROUP_N,
    HAND_DUE,
    HAND_FRAMES,
    HAND_HEAD,
    HEADER,
    I_DEVICE,
    I_POST_NS,
    I_PRE_NS,
    I_SAFE,
    I_WORDS,
    INF,
    INST,
    KEPT,
    N_DEVICE,
    N_GROUP,
    N_INST,
    NIL,
    O_GROUP,
    O_PRESENT,
    O_ROUTE,
    PACK,
    POST,
    POST_HIGH,
    POST_TIME,
    POST_WAKE,
    PRE,
    PRE_DONE,
    PRE_HIGH,
    PRE_TIME,
    ROUTE,
    ROUTE_COUNT,
    ROUTE_CREDIT,
    ROUTE_SHARE,
    SET_BY,
    SETTINGS_VALID,
    SHARES_VALID,
    SHOWN_POST,
    SHOWN_PRE,
    THREAD,
    TIMEOUT,
)
from octogym.sim.post import schedule_post
from octogym.sim.starting import schedule_start


@jit
def set_threads(m, s, pre, post, now):
    """Thread counts in force; new post threads are idle from now on."""
    i = HEADER + s * INST
    for k in range(m[i + POST], post):
        m[i + POST_WAKE + THREAD * k] = max(m[i + POST_WAKE + THREAD * k], now)
    m[i + PRE] = pre
    m[i + POST] = post


@jit
def set_batching(m, cells, tab, log, s, pack, batch, timeout, now):
    """Pack, batch and timeout in force; what they no longer hold back leaves."""
    i = HEADER + s * INST
    if pack != m[i + PACK]:
        if m[i + FRAME_N] > 0:
            frame_to_hand(m, cells, tab, log, s, now)
        if m[i + HAND_FRAMES] > 0:
            close_hand(m, cells, tab, log, s, now)
        m[i + PACK] = pack
    due_changes = timeout != m[i + TIMEOUT] or (timeout < 0 and batch != m[i + BATCH])
    m[i + BATCH] = batch
    m[i + TIMEOUT] = timeout
    if m[i + HAND_FRAMES] >= batch:
        close_hand(m, cells, tab, log, s, now)
    elif due_changes and m[i + HAND_FRAMES] > 0:
        m[i + HAND_DUE] = INF
        set_due(m, cells, tab, s, m[i + HAND_HEAD], now)
        m[i + HAND_DUE] = max(m[i + HAND_DUE], now)


@jit
def ask_threads(m, s, pre, post, now):
    """A thread change applies when it is asked for twice in a row (fcpo spec 1.3)."""
    i = HEADER + s * INST
    if pre < 0 and post < 0:
        m[i + ASKED_PRE] = NIL
        m[i + SHOWN_PRE] = m[i + PRE]
        m[i + SHOWN_POST] = m[i + POST]
        return
    if pre < 0:
        pre = m[i + PRE]
    if post < 0:
        post = m[i + POST]
    if pre == m[i + ASKED_PRE] and post == m[i + ASKED_POST]:
        set_threads(m, s, pre, post, now)
    m[i + ASKED_PRE] = m[i + SHOWN_PRE] = pre
    m[i + ASKED_POST] = m[i + SHOWN_POST] = post


@jit
def set_instance(m, cells, tab, log, s, active, pack, batch, pre, post, timeout, now):
    """One instance's part of a decision, -1 = keep."""
    i = HEADER + s * INST
    if active >= 0:
        m[i + ACTIVE] = active
    if pack == -1 and batch == -1 and pre == -1 and post == -1 and timeout == -1:
        m[i + KEPT] += 1
        ask_threads(m, s, pre, post, now)
        if m[i + KEPT] > tab[SETTINGS_VALID]:
            safe = tab[A_INST] + s * I_WORDS + I_SAFE
            set_batching(m, cells, tab, log, s, tab[safe], tab[safe + 1], tab[safe + 4], now)
            set_threads(m, s, tab[safe + 2], tab[safe + 3], now)
            m[i + SHOWN_PRE] = m[i + PRE]
            m[i + SHOWN_POST] = m[i + POST]
            m[i + SET_BY] = BY_SAFE
        return
    m[i + KEPT] = 0
    m[i + SET_BY] = BY_HOST
    pack = m[i + PACK] if pack == -1 else pack
    batch = m[i + BATCH] if batch == -1 else batch
    timeout = m[i + TIMEOUT] if timeout == -1 else timeout
    set_batching(m, cells, tab, log, s, pack, batch, timeout, now)
    ask_threads(m, s, pre, post, now)


@jit
def set_shares(m, tab, share):
    """Every group's shares; a change restarts its spreading."""
    for group in range(tab[N_GROUP]):
        at, state = tab[A_GROUP] + group * G_WORDS, tab[O_GROUP] + group * GROUP
        low, high = tab[at + G_LOW], tab[at + G_HIGH]
        kept = share[low] == KEEP_SHARE
        m[state + GROUP_KEPT] = m[state + GROUP_KEPT] + 1 if kept else 0
        if kept and m[state + GROUP_KEPT] <= tab[SHARES_VALID]:
            continue
        changed = False
        for r in range(low, high):
            # Shares that are no longer valid fall to the local route, which comes first.
            value = (1000 if r == low else 0) if kept else share[r]
            route = tab[O_ROUTE] + r * ROUTE
            if m[route + ROUTE_SHARE] != value:
                m[route + ROUTE_SHARE] = value
                changed = True
        if changed:
            m[state + GROUP_N] = 0
            for r in range(low, high):
                m[tab[O_ROUTE] + r * ROUTE + ROUTE_COUNT] = 0
                m[tab[O_ROUTE] + r * ROUTE + ROUTE_CREDIT] = 0


@jit
def stretch(m, cells, tab, cpu_threads, now):
    """CPU times of the window, and every timer that depends on the settings."""
    for d in range(tab[N_DEVICE]):
        cpu_threads[d] = 0
    for s in range(tab[N_INST]):
        i = HEADER + s * INST
        d = tab[tab[A_INST] + s * I_WORDS + I_DEVICE]
        if m[i + ACTIVE] and m[tab[O_PRESENT] + d]:
            cpu_threads[d] += m[i + PRE] + m[i + POST]
    for s in range(tab[N_INST]):
        i, a = HEADER + s * INST, tab[A_INST] + s * I_WORDS
        d = tab[a + I_DEVICE]
        demand, cores = int(cpu_threads[d]), tab[tab[A_DEVICE] + d * D_WORDS + D_CORES]
        if demand <= cores or not tab[CONTENTION]:
            demand, cores = 1, 1
        m[i + PRE_TIME] = (tab[a + I_PRE_NS] * demand + cores - 1) // cores
        m[i + POST_TIME] = (tab[a + I_POST_NS] * demand + cores - 1) // cores
        high = m[i + PRE]
        for k in range(high, MAX_THREADS):
            if m[i + PRE_DONE + THREAD * k] != INF:
                high = k + 1
        m[i + PRE_HIGH] = high
        m[i + POST_HIGH] = max(m[i + POST_HIGH], m[i + POST])
        fill_threads(m, cells, tab, s, now)
        schedule_start(m, tab, s, now)
        schedule_post(m, tab, s)
