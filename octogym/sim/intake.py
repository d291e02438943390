"""From the receiver to the hand: lateness, Q1, pre threads, frames (docs/contract.md 4).

An instance's pre-processing is brought up to date when something needs it: a new request, the inferencer, the end of
the window. In between nothing outside the instance can change what happens there.
"""

from __future__ import annotations

from octogym.sim.account import end_run
from octogym.sim.hand import add_to_hand, close_hand, frame_to_hand
from octogym.sim.jit import jit, small
from octogym.sim.keys import exponential
from octogym.sim.layout import (
    A_INST,
    ARRIVED,
    BATCH,
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
    HAND_FRAMES,
    HAND_IMAGES,
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
from octogym.sim.timers import timer


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
def first_of_q1(m, cells, i, n):
    """The first run of Q1, or its first n requests if it has more."""
    head = m[i + Q1_HEAD]
    if cells[head + RUN_N] > n:
        return split(m, cells, head, n)
    m[i + Q1_HEAD] = cells[head + NEXT]
    cells[head + NEXT] = NIL
    return head


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


@small
def take_out(m, cells, i):
    """Images in service leave Q1's list for the threads that have them."""
    if m[i + IN_ORDER] == 0:
        return
    for _ in range(m[i + PRE_BUSY]):
        thread = ZERO
        if m[i + IN_ORDER] == 2:
            first, second = m[i + PRE_DONE], m[i + PRE_DONE + THREAD]
            has_first, has_second = m[i + PRE_ITEM] != NIL, m[i + PRE_ITEM + THREAD] != NIL
            thread = ONE if has_first or (second < first and not has_second) else ZERO
        m[i + PRE_ITEM + THREAD * thread] = first_of_q1(m, cells, i, ONE)
    m[i + IN_ORDER] = 0


@small
def put_back(m, cells, i, thread):
    """The image that a thread has in service becomes the first of Q1's list."""
    image = m[i + PRE_ITEM + THREAD * thread]
    cells[image + NEXT] = m[i + Q1_HEAD]
    if m[i + Q1_HEAD] == NIL:
        m[i + Q1_TAIL] = image
    m[i + Q1_HEAD] = image


@small
def keeps_order(m, i, threads):
    """Whether that many threads finish images in the order in which they took them, from now on."""
    apart = m[i + PRE_DONE] - m[i + PRE_DONE + THREAD]
    service = m[i + PRE_TIME]
    return threads == 1 or (service > 0 and (m[i + PRE_BUSY] < 2 or -service < apart < service))


@jit
def fill_threads(m, cells, tab, s, now):
    """Settings and service times have changed: how images pass from now on; idle pre threads take from Q1.

    With one or two threads, one image a frame, no timeout, images pass in order and whole runs move at once
    (IN_ORDER = threads): those in service stay the first of Q1's list, PRE_ITEM is NIL. Q1_N never counts them.
    """
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


@small
def done_at(first, second, service, n, two):
    """When the n-th image from now on leaves one thread or two, whose next ones do at `first` and `second`."""
    if not two:
        return first + (n - 1) * service
    return (second if n % 2 == 0 else first) + (n - 1) // 2 * service


@jit
def advance_in_order(m, cells, tab, log, s, until):
    """`advance_pre` where images pass in order: as many at once as join one batch."""
    i = HEADER + s * INST
    two = m[i + IN_ORDER] == 2
    service = m[i + PRE_TIME]
    while True:
        first, second, leader = m[i + PRE_DONE], INF, ZERO
        if two:
            second = m[i + PRE_DONE + THREAD]
            if second < first:
                first, second, leader = second, first, ONE
        if first > until:
            return
        waiting = m[i + Q1_N]
        present = m[i + PRE_BUSY] + waiting
        n = min(present, m[i + BATCH] - m[i + HAND_FRAMES])
        done = done_at(first, second, service, n, two)
        if done > until:
            n = 1 + (until - first) // service
            if second <= until:
                n += 1 + (until - second) // service
            done = done_at(first, second, service, n, two)
        left = n
        while left > 0:
            run = first_of_q1(m, cells, i, left)
            left -= cells[run + RUN_N]
            add_to_hand(m, cells, i, run, first)
        m[i + HAND_FRAMES] += n
        m[i + HAND_IMAGES] += n
        m[i + Q1_N] = max(0, waiting - n)
        m[i + PRE_BUSY] = min(m[i + PRE_BUSY], present - n)
        if two:
            m[i + PRE_DONE + THREAD * leader] = first + (n + 1) // 2 * service
            m[i + PRE_DONE + THREAD * (ONE - leader)] = second + n // 2 * service
            for k in range(max(waiting, n - 2), n):
                m[i + PRE_DONE + THREAD * (leader if k % 2 == 0 else ONE - leader)] = INF
        else:
            m[i + PRE_DONE] = first + n * service if waiting >= n else INF
        if m[i + HAND_FRAMES] >= m[i + BATCH]:
            close_hand(m, cells, tab, log, s, done)


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


@jit
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
    settled = threads > 0 and timer(m, tab, ready_timer(tab, s)) != INF
    if m[i + INFER] == NIL and not settled:
        schedule_start(m, tab, s, now)
