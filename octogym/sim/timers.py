"""The next event of a domain: a tree of winners over one timer per entity.

A domain is a set of devices that exchange messages both ways; between domains they go one way only, so that a window
can be played domain by domain. Entities are numbered in the order in which events at one time happen (docs/contract.md
2): post-processing [S], GPUs [G], uplinks [D], downlinks [D], cameras [C], batch starts [S]. A node holds the time and
the entity of its earliest child.
"""

from __future__ import annotations

from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    A_DOMAIN,
    A_ENTITY,
    E_NODE,
    E_TREE,
    E_WORDS,
    INF,
    N_CAM,
    N_DEVICE,
    N_DOMAIN,
    N_GPU,
    N_INST,
    X_LEAVES,
    X_TREE,
    X_WORDS,
)


@jit
def set_timer(m, tab, entity, time):
    """Let `entity` fire at `time` (INF = never)."""
    at = tab[A_ENTITY] + entity * E_WORDS
    tree, node = tab[at + E_TREE], tab[at + E_NODE]
    if m[tree + 2 * node] == time:
        return
    m[tree + 2 * node] = time
    while node > 1:
        # Of two equal times the lower entity wins: the left child.
        left = tree + 4 * (node >> 1)
        first = m[left] <= m[left + 2]
        time = m[left] if first else m[left + 2]
        winner = m[left + 1] if first else m[left + 3]
        node >>= 1
        if m[tree + 2 * node + 1] == winner and m[tree + 2 * node] == time:
            return
        m[tree + 2 * node] = time
        m[tree + 2 * node + 1] = winner


@small
def timer(m, tab, entity):
    """When `entity` fires."""
    at = tab[A_ENTITY] + entity * E_WORDS
    return m[tab[at + E_TREE] + 2 * tab[at + E_NODE]]


@jit
def clear_timers(m, tab):
    """No entity fires."""
    for domain in range(tab[N_DOMAIN]):
        at = tab[A_DOMAIN] + domain * X_WORDS
        for node in range(2 * tab[at + X_LEAVES]):
            m[tab[at + X_TREE] + 2 * node] = INF
    for entity in range(2 * tab[N_INST] + tab[N_GPU] + 2 * tab[N_DEVICE] + tab[N_CAM]):
        at = tab[A_ENTITY] + entity * E_WORDS
        m[tab[at + E_TREE] + 2 * tab[at + E_NODE] + 1] = entity
    for domain in range(tab[N_DOMAIN]):
        at = tab[A_DOMAIN] + domain * X_WORDS
        for node in range(tab[at + X_LEAVES] - 1, 0, -1):
            m[tab[at + X_TREE] + 2 * node + 1] = m[tab[at + X_TREE] + 4 * node + 1]
