"""The next event of a domain: one timer per entity, and the earliest of each block of them.

A domain is a set of devices that exchange messages both ways; between domains they go one way only, so that a window
can be played domain by domain. Entities are numbered in the order in which events at one time happen (docs/contract.md
2): post-processing [S], GPUs [G], uplinks [D], downlinks [D], cameras [C], batch starts [S]. A domain's timers stand in
blocks, in that order; where they need more than one, each word of the block above is the least of a block, up to one
block for all. Block 0 is the uppermost, the blocks below its words are 1 to 16, and so on.
"""

from __future__ import annotations

from octogym.sim.blocks import least, place_of
from octogym.sim.jit import jit, small
from octogym.sim.layout import (
    A_DOMAIN,
    A_ENTITY,
    BLOCK,
    E_NODE,
    E_TREE,
    E_WORDS,
    INF,
    N_DOMAIN,
    X_ENTITIES,
    X_FIRST,
    X_NODES,
    X_TREE,
    X_WORDS,
)


@jit
def set_timer(m, tab, entity, time):
    """Let `entity` fire at `time` (INF = never)."""
    at = tab[A_ENTITY] + entity * E_WORDS
    tree, node = tab[at + E_TREE], tab[at + E_NODE]
    before = m[tree + node]
    m[tree + node] = time
    while node >= BLOCK:
        block = node // BLOCK
        node = block - 1
        earliest = m[tree + node]
        if earliest < before and earliest <= time:
            return
        if time > earliest:
            time = least(m, tree + block * BLOCK)
        before = earliest
        m[tree + node] = time


@small
def timer(m, tab, entity):
    """When `entity` fires."""
    at = tab[A_ENTITY] + entity * E_WORDS
    return m[tab[at + E_TREE] + tab[at + E_NODE]]


@small
def next_time(m, tab, domain):
    """When the next entity of the domain at offset `domain` of tab fires."""
    return least(m, tab[domain + X_TREE])


@small
def next_entity(m, tab, domain, time):
    """The first entity that fires at `time`, which is that of the next one."""
    tree = tab[domain + X_TREE]
    node = place_of(m, tree, time)
    while node < tab[domain + X_FIRST]:
        block = (node + 1) * BLOCK
        node = block + place_of(m, tree + block, time)
    return tab[tab[domain + X_ENTITIES] + node - tab[domain + X_FIRST]]


@jit
def clear_timers(m, tab):
    """No entity fires."""
    for domain in range(tab[N_DOMAIN]):
        at = tab[A_DOMAIN] + domain * X_WORDS
        for node in range(tab[at + X_NODES]):
            m[tab[at + X_TREE] + node] = INF
