"""From the receiver to the hand: lateness, Q1, pre threads, frames (docs/contract.md 4).

An instance's pre-processing is brought up to date when something needs it: a new request, the inferencer, the end of
the window. In between nothing outside the instance can change what happens there.
"""

from __future__ import annotations

from octogym.sim.account import end_run
from octogym.sim.hand import close_hand, frame_to_hand
from octogym.sim.in_order import advance_in_order, first_of_q1, keeps_order, put_back, take_out
from octogym.sim.jit import jit, small
from octogym.sim.keys import exponential
from octogym.sim.layout import (
    A_INST,
    ARRIVED,
    CAM_DROPPED,
    DROPPED_FULL,
    DROPPED_LATE,
    EXP_PRE,
    FATE_FULL,
    FATE_LATE,
    FRAME_HEAD,
    FRAME_N,
    FRAME_TAIL,
    HAND_DUE,
    HEADER,
    I_CAP1,
    I_LATE_AFTER,
    I_STAGE,
    I_WORDS,
    IN_ORDER,
    IN_STAGE,
    INF,
    INFER,
    INST,
    KIND_PRE,
    LAZY,
    NEXT,
    NIL,
    ONE,
    PACK,
    PRE,
    PRE_BUSY,
    PRE_DONE,
    PRE_HIGH,
    PRE_ITEM,
    PRE_TIME,
    Q1_HEAD,
    Q1_N,
    Q1_TAIL,
    RUN_ARRIVE,
    RUN_BIRTH,
    RUN_N,
    THREAD,
    TIMEOUT,
    ZERO,
)
from octogym.sim.runs import request_key, split
from octogym.sim.starting import ready_timer, schedule_start
from octogym.sim.timers import is_set


@small
def start_pre(m, cells, tab, s, thread, image, now):
    """A pre thread begins with `image`, a run of one."""
    i = HEADER + s * INST
    time = m[i + PRE_TIME]
    if tab[EXP_PRE]:
        stage = tab[tab[A_INST] + s * I_WORDS + I_STAGE]
        time = exponential(request_key(cells, image, ZERO), stage, KIND_PRE, time)
    m[i + PRE_DONE + THREAD * thread] = now + time
    m[i + PRE_ITEM + THREAD * thread] = image
    m[i + PRE_BUSY] += 1


@small
def take_from_q1(m, cells, i, n):
    """The oldest requests that wait in Q1, as many as its first run has but at most n, as one run."""
    run = first_of_q1(m, cells, i, n)
    m[i + Q1_N] -= cells[run + RUN_N]
    return run


@small
def append_to_q1(m, cells, i, run):
    if m[i + Q1_HEAD] == NIL:
        m[i + Q1_HEAD] = run
    else:
        cells[m[i + Q1_TAIL] + NEXT] = run
    m[i + Q1_TAIL] = run


@jit
def fill_threads(m, cells, tab, s, now):
    """Settings and service times have changed: how images pass from now on; idle pre threads take from Q1."""
    i = HEADER + s * INST
    threads = m[i + PRE]
    in_order = threads <= 2 and m[i + PRE_HIGH] == threads and m[i + PACK] == 1 and m[i + TIMEOUT] == 0
    threads = threads if in_order and not tab[EXP_PRE] else 0
    if threads > 0 and threads == m[i + IN_ORDER] and keeps_order(m, i, threads):
        return
    take_out(m, cells, i)
    for thread in range(m[i + PRE]):
        if m[i + PRE_DONE + THREAD * thread] == INF and m[i + Q1_N] > 0:
            start_pre(m, cells, tab, s, thread, take_from_q1(m, cells, i, ONE), now)
    if threads > 0 and keeps_order(m, i, threads):
        m[i + IN_ORDER] = threads
        last = ONE if threads == 2 and m[i + PRE_DONE] <= m[i + PRE_DONE + THREAD] else ZERO
        for thread in (last, ONE - last):
            if m[i + PRE_DONE + THREAD * thread] != INF:
                put_back(m, cells, i, thread)
            m[i + PRE_ITEM + THREAD * thread] = NIL


@jit
def advance_any(m, cells, tab, log, s, until):
    """`advance_pre` image by image."""
    i = HEADER + s * INST
    while True:
        time, thread = INF, ZERO
        if m[i + PRE_BUSY] > 0:
            for k in range(m[i + PRE_HIGH]):
                if m[i + PRE_DONE + THREAD * k] < time:
                    time, thread = m[i + PRE_DONE + THREAD * k], k
        if m[i + HAND_DUE] < time:
            if m[i + HAND_DUE] > until:
                return
            close_hand(m, cells, tab, log, s, m[i + HAND_DUE])
            continue
        if time > until:
            return
        image = m[i + PRE_ITEM + THREAD * thread]
        m[i + PRE_BUSY] -= 1
        if m[i + Q1_N] > 0 and thread < m[i + PRE]:
            start_pre(m, cells, tab, s, thread, take_from_q1(m, cells, i, ONE), time)
        else:
            m[i + PRE_DONE + THREAD * thread] = INF
        cells[image + NEXT] = NIL
        if m[i + FRAME_N] == 0:
            m[i + FRAME_HEAD] = image
        else:
            cells[m[i + FRAME_TAIL] + NEXT] = image
        m[i + FRAME_TAIL] = image
        m[i + FRAME_N] += 1
        if m[i + FRAME_N] >= m[i + PACK]:
            frame_to_hand(m, cells, tab, log, s, time)


@small
def advance_pre(m, cells, tab, log, s, until):
    """Bring pre-processing and the hand up to `until`, included."""
    i = HEADER + s * INST
    if m[i + IN_ORDER] > 0:
        if min(m[i + PRE_DONE], m[i + PRE_DONE + THREAD]) <= until:
            advance_in_order(m, cells, tab, log, s, until)
    else:
        advance_any(m, cells, tab, log, s, until)


@jit
def drop_from_q1(m, cells, tab, log, s, n, now):
    """Q1 is n over its capacity: the oldest that wait go."""
    i = HEADER + s * INST
    before = NIL
    if m[i + IN_ORDER] > 0:
        # The images in service, which come first, stay.
        kept = m[i + PRE_BUSY]
        while kept > 0:
            run = m[i + Q1_HEAD] if before == NIL else cells[before + NEXT]
            if cells[run + RUN_N] > kept:
                part = split(m, cells, run, kept)
                cells[part + NEXT] = run
                if before == NIL:
                    m[i + Q1_HEAD] = part
                else:
                    cells[before + NEXT] = part
                run = part
            kept -= cells[run + RUN_N]
            before = run
    m[i + Q1_N] -= n
    m[i + IN_STAGE] -= n
    run = m[i + Q1_HEAD] if before == NIL else cells[before + NEXT]
    while n > 0:
        part = run
        if cells[run + RUN_N] > n:
            part = split(m, cells, run, n)
        else:
            run = cells[run + NEXT]
        n -= cells[part + RUN_N]
        end_run(m, cells, tab, log, s, part, now, DROPPED_FULL, FATE_FULL, CAM_DROPPED)
    if before == NIL:
        m[i + Q1_HEAD] = run
    else:
        cells[before + NEXT] = run
        if run == NIL:
            m[i + Q1_TAIL] = before


@small
def receive(m, cells, tab, log, s, run, now, checked):
    """A chain of runs arrives at instance s. `checked`: through a receiver, which drops the late."""
    i, a = HEADER + s * INST, tab[A_INST] + s * I_WORDS
    advance_pre(m, cells, tab, log, s, now)
    threads = m[i + IN_ORDER]
    born_after = now - tab[a + I_LATE_AFTER] if checked and tab[LAZY] else -INF
    while run != NIL:
        after = cells[run + NEXT]
        n = cells[run + RUN_N]
        m[i + ARRIVED] += n
        cells[run + RUN_ARRIVE] = now
        cells[run + NEXT] = NIL
        if cells[run + RUN_BIRTH] < born_after:
            end_run(m, cells, tab, log, s, run, now, DROPPED_LATE, FATE_LATE, CAM_DROPPED)
            run = after
            continue
        m[i + IN_STAGE] += n
        if threads > 0:
            append_to_q1(m, cells, i, run)
            if m[i + PRE_BUSY] < threads:
                for thread in range(threads):
                    if n > 0 and m[i + PRE_DONE + THREAD * thread] == INF:
                        n -= 1
                        m[i + PRE_BUSY] += 1
                        m[i + PRE_DONE + THREAD * thread] = now + m[i + PRE_TIME]
        else:
            if m[i + Q1_N] == 0:
                for thread in range(m[i + PRE]):
                    if n > 0 and m[i + PRE_DONE + THREAD * thread] == INF:
                        n -= 1
                        image = run if n == 0 else split(m, cells, run, ONE)
                        start_pre(m, cells, tab, s, thread, image, now)
            if n > 0:
                append_to_q1(m, cells, i, run)
        m[i + Q1_N] += n
        if m[i + Q1_N] > tab[a + I_CAP1]:
            drop_from_q1(m, cells, tab, log, s, m[i + Q1_N] - tab[a + I_CAP1], now)
        run = after
    # Where images pass in order, more of them do not change a time once found.
    settled = threads > 0 and is_set(m, tab, ready_timer(tab, s))
    if m[i + INFER] == NIL and not settled:
        schedule_start(m, tab, s, now)
