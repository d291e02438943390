"""Uplinks and downlinks: first in, first out (docs/contract.md 6)."""

from __future__ import annotations

from octogym.sim.account import write_log
from octogym.sim.intake import receive
from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    A_DEVICE,
    A_GROUP,
    A_INST,
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
    G_SOURCE,
    G_WORDS,
    GROUP,
    GROUP_Q5,
    HEADER,
    I_DEVICE,
    I_WORDS,
    INF,
    INST,
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
    N_DEVICE,
    N_GPU,
    N_INST,
    NEXT,
    NIL,
    O_CAM,
    O_GROUP,
    O_LINK,
    O_PRESENT,
    RUN_N,
)
from octogym.sim.message_lists import append, comes_first, in_order, take_first
from octogym.sim.pool import free_cell, take_cell
from octogym.sim.rates import sent_at
from octogym.sim.runs import camera_of, leaves_each
from octogym.sim.timers import set_timer


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


@small
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


@small
def end_transmission(m, cells, tab, link, now):
    """Close the books on the message that `link` has sent, and return it."""
    state = tab[O_LINK] + link * LINK
    message = m[state + LINK_CUR]
    m[state + LINK_BYTES] += cells[message + MSG_BYTES]
    m[state + LINK_BUSY] += now - m[state + LINK_START]
    m[state + LINK_CUR] = NIL
    return message


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
