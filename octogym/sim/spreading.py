"""Spreading a group's requests over its routes (docs/contract.md 5)."""

from __future__ import annotations

from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    A_GROUP,
    A_ROUTE,
    ACTIVE,
    G_HIGH,
    G_LOW,
    G_WORDS,
    GROUP,
    GROUP_N,
    HEADER,
    INST,
    NIL,
    O_GROUP,
    O_PRESENT,
    O_ROUTE,
    R_DEVICE,
    R_TARGET,
    R_WORDS,
    ROUTE,
    ROUTE_COUNT,
    ROUTE_CREDIT,
    ROUTE_SHARE,
    TIJDEMAN,
)


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


@small
def reachable(m, tab, route):
    at = tab[A_ROUTE] + route * R_WORDS
    return m[HEADER + tab[at + R_TARGET] * INST + ACTIVE] == 1 and m[tab[O_PRESENT] + tab[at + R_DEVICE]] == 1


@small
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
