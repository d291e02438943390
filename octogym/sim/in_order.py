"""Pre-processing where images pass in order: whole runs move at once (docs/contract.md 4).

With one or two threads, one image a frame and no timeout, images finish in the order in which they came (IN_ORDER =
threads). Those in service stay the first of Q1's list then, and PRE_ITEM is NIL; Q1_N never counts them.
"""

from __future__ import annotations

from octogym.sim.division import quotient
from octogym.sim.hand import add_to_hand, close_hand
from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    BATCH,
    HAND_FRAMES,
    HAND_IMAGES,
    HEADER,
    IN_ORDER,
    INF,
    INST,
    NEXT,
    NIL,
    ONE,
    PRE_BUSY,
    PRE_DONE,
    PRE_ITEM,
    PRE_TIME,
    Q1_HEAD,
    Q1_N,
    Q1_TAIL,
    RUN_N,
    THREAD,
    ZERO,
)
from octogym.sim.runs import split


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


@small
def done_at(first, second, service, n, two):
    """When the n-th image from now on leaves one thread or two, whose next ones do at `first` and `second`."""
    if not two:
        return first + (n - 1) * service
    return (first if n & 1 else second) + ((n - 1) >> 1) * service


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
        last = done > until
        if last:
            n = 1 + quotient(until - first, service)
            if second <= until:
                n += 1 + quotient(until - second, service)
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
            m[i + PRE_DONE + THREAD * leader] = first + ((n + 1) >> 1) * service
            m[i + PRE_DONE + THREAD * (ONE - leader)] = second + (n >> 1) * service
            for k in range(max(waiting, n - 2), n):
                m[i + PRE_DONE + THREAD * (leader if k & 1 == 0 else ONE - leader)] = INF
        else:
            m[i + PRE_DONE] = first + n * service if waiting >= n else INF
        if last:
            return
        if m[i + HAND_FRAMES] >= m[i + BATCH]:
            close_hand(m, cells, tab, log, s, done)
