"""Uplinks and downlinks: first in, first out, each at its own piecewise constant rate (docs/contract.md 6)."""

from __future__ import annotations

from octogym.cluster.workload import DEFAULT_BIT_PER_S, END_ERROR, END_LOOP
from octogym.sim.account import write_log
from octogym.sim.intake import receive
from octogym.sim.jit import jit
from octogym.sim.layout import (
    A_DEVICE,
    A_GROUP,
    A_INST,
    A_RATE,
    CAM,
    CAM_DROPPED,
    CAM_LOST,
    CHECKED,
    D_DOMAIN,
    D_WORDS,
    DROPPED_OUT,
    FATE_LOST,
    FATE_OUT,
    G_CAP5,
    G_DEVICE,
    G_SOURCE,
    G_WORDS,
    GROUP,
    GROUP_Q5,
    HEADER,
    I_DEVICE,
    I_WORDS,
    INF,
    INST,
    L_END,
    L_LENGTH,
    L_RATES,
    L_TIMES,
    L_WORDS,
    LATENCY_NS,
    LINK,
    LINK_BUSY,
    LINK_BYTES,
    LINK_CUR,
    LINK_HEAD,
    LINK_INBOX,
    LINK_PIECE,
    LINK_SEGMENT,
    LINK_START,
    LINK_TAIL,
    LOG_ROOM,
    MSG_BYTES,
    MSG_ENTER,
    MSG_GROUP,
    MSG_HEAD,
    MSG_N,
    MSG_TAIL,
    MSG_TARGET,
    N_CAM,
    N_DEVICE,
    N_GPU,
    N_INST,
    NEXT,
    NIL,
    O_CAM,
    O_GROUP,
    O_LINK,
    O_PRESENT,
    PLAN_CAMERA_K,
    PLAN_HEADER,
    PLAN_LINK_K,
    PLAN_SEGMENT,
    RATES_END,
    RUN_N,
    STATUS,
    TRACE_ENDED,
)
from octogym.sim.pool import free_cell, take_cell
from octogym.sim.runs import camera_of, leaves_each
from octogym.sim.timers import set_timer


@jit
def link_plan(tab, plan, link):
    """Offset of a link's plan: series, offset, then segments (start, factor)."""
    cameras = PLAN_HEADER + tab[N_CAM] * plan[PLAN_CAMERA_K] * PLAN_SEGMENT
    return cameras + link * (2 + 2 * plan[PLAN_LINK_K])


@jit
def rate_at(m, tab, plan, link, time):
    """Rate in bit/s right after `time`, and until when it holds. Times of one link must not go back."""
    at, segments = link_plan(tab, plan, link), plan[PLAN_LINK_K]
    state = tab[O_LINK] + link * LINK
    segment = m[state + LINK_SEGMENT]
    while segment + 1 < segments and plan[at + 2 + 2 * (segment + 1)] <= time:
        segment += 1
    m[state + LINK_SEGMENT] = segment
    until = plan[at + 2 + 2 * (segment + 1)] if segment + 1 < segments else INF
    factor = plan[at + 3 + 2 * segment]
    rate = DEFAULT_BIT_PER_S
    if plan[at] >= 0:
        row = tab[A_RATE] + plan[at] * L_WORDS
        end, n, times = tab[row + L_END], tab[row + L_LENGTH], tab[row + L_TIMES]
        position = time + plan[at + 1]
        if position >= end:
            if tab[RATES_END] == END_LOOP:
                position %= end
            else:
                if tab[RATES_END] == END_ERROR:
                    m[STATUS] = TRACE_ENDED
                return 0, until
        piece = m[state + LINK_PIECE]
        if tab[times + piece] > position:
            piece = 0
        while piece + 1 < n and tab[times + piece + 1] <= position:
            piece += 1
        m[state + LINK_PIECE] = piece
        rate = tab[tab[row + L_RATES] + piece]
        following = tab[times + piece + 1] if piece + 1 < n else end
        until = min(until, time + following - position)
    return rate * factor // 1000, until


@jit
def sent_at(m, tab, plan, link, start, size):
    """When `size` bytes put on the link at `start` are through; INF if never."""
    need = 8 * size * 1_000_000_000
    time = start
    pieces = 0
    while True:
        rate, until = rate_at(m, tab, plan, link, time)
        if rate > 0:
            whole = (need + rate - 1) // rate
            if until == INF or whole <= until - time:
                return time + whole
            need -= rate * (until - time)
        elif until == INF:
            return INF
        time = until
        pieces += 1
        if pieces > 1_000_000:  # a trace that is one long outage
            return INF


@jit
def start_transmission(m, cells, tab, plan, link, message, now):
    state = tab[O_LINK] + link * LINK
    size = cells[message + MSG_BYTES]
    m[state + LINK_CUR] = message
    m[state + LINK_START] = now
    # What the search sees ahead of `now` must not move the position that later searches start from.
    piece, segment = m[state + LINK_PIECE], m[state + LINK_SEGMENT]
    done = sent_at(m, tab, plan, link, now, size)
    m[state + LINK_PIECE] = piece
    m[state + LINK_SEGMENT] = segment
    set_timer(m, tab, tab[N_INST] + tab[N_GPU] + link, done)


@jit
def lose_message(m, cells, tab, log, message, now, fate, camera_counter):
    """A message's crops are gone; they are in no instance."""
    source = tab[tab[A_GROUP] + cells[message + MSG_GROUP] * G_WORDS + G_SOURCE]
    run = cells[message + MSG_HEAD]
    while run != NIL:
        after = cells[run + NEXT]
        n = cells[run + RUN_N]
        m[tab[O_CAM] + camera_of(cells, run) * CAM + camera_counter] += n * leaves_each(cells, run)
        if fate == FATE_OUT and m[LOG_ROOM] > 0:
            for j in range(n):
                write_log(m, cells, log, source, run, j, now, fate)
        free_cell(m, cells, run)
        run = after
    free_cell(m, cells, message)


@jit
def drop_oldest(m, cells, tab, log, link, group, now):
    """Q5 of `group` is full: its oldest message on the uplink's list goes."""
    state = tab[O_LINK] + link * LINK
    before, message = NIL, m[state + LINK_HEAD]
    while cells[message + MSG_GROUP] != group:
        before, message = message, cells[message + NEXT]
    after = cells[message + NEXT]
    if before == NIL:
        m[state + LINK_HEAD] = after
    else:
        cells[before + NEXT] = after
    if after == NIL:
        m[state + LINK_TAIL] = before
    m[tab[O_GROUP] + group * GROUP + GROUP_Q5] -= 1
    source = tab[tab[A_GROUP] + group * G_WORDS + G_SOURCE]
    if source < tab[N_INST]:
        m[HEADER + source * INST + DROPPED_OUT] += cells[message + MSG_N]
    lose_message(m, cells, tab, log, message, now, FATE_OUT, CAM_DROPPED)


@jit
def send(m, cells, tab, plan, log, group, device, target, head, tail, n, size, now):
    """A chain of n crops goes from `device` to instance `target`, at once or over the links."""
    if tab[tab[A_INST] + target * I_WORDS + I_DEVICE] == device:
        from_camera = tab[tab[A_GROUP] + group * G_WORDS + G_SOURCE] >= tab[N_INST]
        receive(m, cells, tab, log, target, head, now, not from_camera)
        return
    message = take_cell(m, cells)
    cells[message + MSG_HEAD] = head
    cells[message + MSG_TAIL] = tail
    cells[message + MSG_N] = n
    cells[message + MSG_GROUP] = group
    cells[message + MSG_TARGET] = target
    cells[message + MSG_BYTES] = size
    state = tab[O_LINK] + device * LINK
    if m[state + LINK_CUR] == NIL:
        start_transmission(m, cells, tab, plan, device, message, now)
        return
    waiting = tab[O_GROUP] + group * GROUP + GROUP_Q5
    if m[waiting] >= tab[tab[A_GROUP] + group * G_WORDS + G_CAP5]:
        drop_oldest(m, cells, tab, log, device, group, now)
    append(m, cells, state, message)
    m[waiting] += 1


@jit
def append(m, cells, state, message):
    cells[message + NEXT] = NIL
    if m[state + LINK_HEAD] == NIL:
        m[state + LINK_HEAD] = message
    else:
        cells[m[state + LINK_TAIL] + NEXT] = message
    m[state + LINK_TAIL] = message


@jit
def take_first(m, cells, state):
    message = m[state + LINK_HEAD]
    m[state + LINK_HEAD] = cells[message + NEXT]
    return message


@jit
def end_transmission(m, cells, tab, link, now):
    """Close the books on the message that `link` has sent, and return it."""
    state = tab[O_LINK] + link * LINK
    message = m[state + LINK_CUR]
    m[state + LINK_BYTES] += cells[message + MSG_BYTES]
    m[state + LINK_BUSY] += now - m[state + LINK_START]
    m[state + LINK_CUR] = NIL
    return message


@jit
def comes_first(cells, tab, one, other):
    """Whether message `one` enters the downlink before `other`: by time, then by source device."""
    if cells[one + MSG_ENTER] != cells[other + MSG_ENTER]:
        return cells[one + MSG_ENTER] < cells[other + MSG_ENTER]
    by = tab[tab[A_GROUP] + cells[one + MSG_GROUP] * G_WORDS + G_DEVICE]
    return by < tab[tab[A_GROUP] + cells[other + MSG_GROUP] * G_WORDS + G_DEVICE]


@jit
def enter_downlink(m, cells, tab, state, message):
    """A message of the same domain takes its place among those on their way to a downlink, which may hold later ones
    of earlier domains."""
    if m[state + LINK_CUR] != NIL and comes_first(cells, tab, message, m[state + LINK_CUR]):
        # The link was going to send that one next, but this one gets there before.
        later = m[state + LINK_CUR]
        cells[later + NEXT] = m[state + LINK_HEAD]
        if m[state + LINK_HEAD] == NIL:
            m[state + LINK_TAIL] = later
        m[state + LINK_HEAD] = later
        m[state + LINK_CUR] = NIL
    if m[state + LINK_HEAD] == NIL or not comes_first(cells, tab, message, m[state + LINK_TAIL]):
        append(m, cells, state, message)
        return
    before, after = NIL, m[state + LINK_HEAD]
    while not comes_first(cells, tab, message, after):
        before, after = after, cells[after + NEXT]
    cells[message + NEXT] = after
    if before == NIL:
        m[state + LINK_HEAD] = message
    else:
        cells[before + NEXT] = message


@jit
def uplink_done(m, cells, tab, plan, log, device, now):
    """The message travels on to the target's downlink; the next one starts."""
    message = end_transmission(m, cells, tab, device, now)
    target = tab[tab[A_INST] + cells[message + MSG_TARGET] * I_WORDS + I_DEVICE]
    if m[tab[O_PRESENT] + target]:
        down = tab[N_DEVICE] + target
        state = tab[O_LINK] + down * LINK
        cells[message + MSG_ENTER] = now + tab[LATENCY_NS]
        if tab[tab[A_DEVICE] + target * D_WORDS + D_DOMAIN] == tab[tab[A_DEVICE] + device * D_WORDS + D_DOMAIN]:
            enter_downlink(m, cells, tab, state, message)
            start_downlink(m, cells, tab, plan, down, now)
        else:
            append(m, cells, state + LINK_INBOX - LINK_HEAD, message)
    else:
        lose_message(m, cells, tab, log, message, now, FATE_LOST, CAM_LOST)
    state = tab[O_LINK] + device * LINK
    if m[state + LINK_HEAD] == NIL:
        set_timer(m, tab, tab[N_INST] + tab[N_GPU] + device, INF)
        return
    following = take_first(m, cells, state)
    m[tab[O_GROUP] + cells[following + MSG_GROUP] * GROUP + GROUP_Q5] -= 1
    start_transmission(m, cells, tab, plan, device, following, now)


@jit
def start_downlink(m, cells, tab, plan, down, now):
    """An idle downlink takes the first message, which may still be on its way."""
    state = tab[O_LINK] + down * LINK
    if m[state + LINK_CUR] != NIL:
        return
    if m[state + LINK_HEAD] == NIL:
        set_timer(m, tab, tab[N_INST] + tab[N_GPU] + down, INF)
        return
    message = take_first(m, cells, state)
    start_transmission(m, cells, tab, plan, down, message, max(now, cells[message + MSG_ENTER]))


@jit
def end_of_run(cells, tab, message):
    """Last message of the ascending run that begins with `message`."""
    after = cells[message + NEXT]
    while after != NIL and not comes_first(cells, tab, after, message):
        message = after
        after = cells[message + NEXT]
    return message


@jit
def in_order(cells, tab, head):
    """The messages of a list by the time they enter the downlink. Each source's are in order: runs are merged pairwise."""
    while True:
        rest, head, tail, pairs = head, NIL, NIL, 0
        while rest != NIL:
            one, last = rest, end_of_run(cells, tab, rest)
            other = cells[last + NEXT]
            cells[last + NEXT] = NIL
            rest = NIL
            if other != NIL:
                last = end_of_run(cells, tab, other)
                rest = cells[last + NEXT]
                cells[last + NEXT] = NIL
            while one != NIL or other != NIL:
                if other == NIL or (one != NIL and not comes_first(cells, tab, other, one)):
                    message, one = one, cells[one + NEXT]
                else:
                    message, other = other, cells[other + NEXT]
                if tail == NIL:
                    head = message
                else:
                    cells[tail + NEXT] = message
                tail = message
            pairs += 1
        if pairs <= 1:
            return head


@jit
def open_inbox(m, cells, tab, plan, device, now):
    """Messages that earlier domains sent to `device` in the window that starts now join its downlink."""
    state = tab[O_LINK] + (tab[N_DEVICE] + device) * LINK
    message = m[state + LINK_INBOX]
    if message == NIL:
        return
    m[state + LINK_INBOX] = NIL
    message = in_order(cells, tab, message)
    while message != NIL:
        after = cells[message + NEXT]
        append(m, cells, state, message)
        message = after
    start_downlink(m, cells, tab, plan, tab[N_DEVICE] + device, now)


@jit
def downlink_done(m, cells, tab, plan, log, down, now):
    """The message arrives at its instance."""
    message = end_transmission(m, cells, tab, down, now)
    start_downlink(m, cells, tab, plan, down, now)
    receive(m, cells, tab, log, cells[message + MSG_TARGET], cells[message + MSG_HEAD], now, CHECKED)
    free_cell(m, cells, message)
