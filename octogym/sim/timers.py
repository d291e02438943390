"""The next event of a domain: one timer per entity, and the earliest of each block of them.

A domain is a set of devices that exchange messages both ways; between domains they go one way only, so that a window
can be played domain by domain. Entities are numbered in the order in which events at one time happen (docs/contract.md
2): post-processing [S], GPUs [G], uplinks [D], downlinks [D], cameras [C], batch starts [S]. A timer is one word, the
time and below it the entity's number, so that the least of them is the next event. A domain's timers stand in
blocks; where they need more than one, each word of the block above is the least of a block, up to one
block for all. Block 0 is the uppermost, the blocks below its words are 1 to 8, and so on.
"""

from __future__ import annotations

from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    A_DOMAIN,
    A_ENTITY,
    BLOCK,
    E_NODE,
    E_TREE,
    E_WORDS,
    ENTITY_BITS,
    INF,
    N_DOMAIN,
    NEVER,
    X_NODES,
    X_TREE,
    X_WORDS,
)


@small
def least(m, at):
    """The least word of the block at `at`: without a branch, and word by word, since one has just been written."""
    first, second = min(m[at], m[at + 1]), min(m[at + 2], m[at + 3])
    third, fourth = min(m[at + 4], m[at + 5]), min(m[at + 6], m[at + 7])
    return min(min(first, second), min(third, fourth))


@small
def set_timer(m, tab, entity, time):
    """Let `entity` fire at `time` (INF = never)."""
    at = tab[A_ENTITY] + entity * E_WORDS
    tree, node = tab[at + E_TREE], tab[at + E_NODE]
    key = (min(time, tab[NEVER]) << tab[ENTITY_BITS]) | entity
    if node < BLOCK:
        m[tree + node] = key
    else:
        set_below(m, tree, node, key)


@jit
def set_below(m, tree, node, key):
    """A word of a block below the uppermost becomes `key`; the blocks above follow."""
    before = m[tree + node]
    m[tree + node] = key
    while node >= BLOCK:
        block = node // BLOCK
        node = block - 1
        earliest = m[tree + node]
        if earliest < before and earliest <= key:
            return
        if key > earliest:
            key = least(m, tree + block * BLOCK)
        before = earliest
        m[tree + node] = key


@small
def is_set(m, tab, entity):
    """Whether `entity` fires at all."""
    at = tab[A_ENTITY] + entity * E_WORDS
    return m[tab[at + E_TREE] + tab[at + E_NODE]] < INF


@small
def next_event(m, tab, domain):
    """Time of the next event of the domain at offset `domain` of tab, and whose it is; never = NEVER or later."""
    key = least(m, tab[domain + X_TREE])
    return key >> tab[ENTITY_BITS], key & ((1 << tab[ENTITY_BITS]) - 1)


@jit
def clear_timers(m, tab):
    """No entity fires."""
    for domain in range(tab[N_DOMAIN]):
        at = tab[A_DOMAIN] + domain * X_WORDS
        for node in range(tab[at + X_NODES]):
            m[tab[at + X_TREE] + node] = INF
