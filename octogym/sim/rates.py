"""A link's rate over time, and when a transmission is through (docs/contract.md 6)."""

from __future__ import annotations

from octogym.cluster.workload import DEFAULT_BIT_PER_S, END_ERROR, END_LOOP
from octogym.sim.division import quotient
from octogym.sim.jit import jit
from octogym.sim.layout import (
    A_RATE,
    CALM,
    INF,
    L_END,
    L_LENGTH,
    L_RATES,
    L_TIMES,
    L_WORDS,
    LINK,
    LINK_PIECE,
    LINK_SEGMENT,
    N_CAM,
    O_LINK,
    PLAN_CAMERA_K,
    PLAN_HEADER,
    PLAN_LINK_K,
    PLAN_SEGMENT,
    RATES_END,
    STATUS,
    TRACE_ENDED,
)


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
                    m[STATUS], m[CALM] = TRACE_ENDED, INF
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
    return quotient(rate * factor, 1000), until


@jit
def sent_at(m, tab, plan, link, start, size):
    """When `size` bytes put on the link at `start` are through; INF if never."""
    need = 8 * size * 1_000_000_000
    time = start
    pieces = 0
    while True:
        rate, until = rate_at(m, tab, plan, link, time)
        if rate > 0:
            whole = quotient(need + rate - 1, rate)
            if until == INF or whole <= until - time:
                return time + whole
            need -= rate * (until - time)
        elif until == INF:
            return INF
        time = until
        pieces += 1
        if pieces > 1_000_000:  # a trace that is one long outage
            return INF
