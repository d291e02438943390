"""Messages in line for a link, in order of arrival."""

from __future__ import annotations

from octogym.sim.jit import jit, small
from octogym.sim.layout import A_GROUP, G_DEVICE, G_WORDS, LINK_HEAD, LINK_TAIL, MSG_ENTER, MSG_GROUP, NEXT, NIL


@small
def append(m, cells, state, message):
    cells[message + NEXT] = NIL
    if m[state + LINK_HEAD] == NIL:
        m[state + LINK_HEAD] = message
    else:
        cells[m[state + LINK_TAIL] + NEXT] = message
    m[state + LINK_TAIL] = message


@small
def take_first(m, cells, state):
    message = m[state + LINK_HEAD]
    m[state + LINK_HEAD] = cells[message + NEXT]
    return message


@jit
def comes_first(cells, tab, one, other):
    """Whether message `one` enters the downlink before `other`: by time, then by source device."""
    if cells[one + MSG_ENTER] != cells[other + MSG_ENTER]:
        return cells[one + MSG_ENTER] < cells[other + MSG_ENTER]
    by = tab[tab[A_GROUP] + cells[one + MSG_GROUP] * G_WORDS + G_DEVICE]
    return by < tab[tab[A_GROUP] + cells[other + MSG_GROUP] * G_WORDS + G_DEVICE]


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
    """The messages of a list by the time they enter the downlink. Each source's are in order, so runs are merged."""
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
