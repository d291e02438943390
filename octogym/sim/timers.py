"""The next event of an environment: a tree of winners over one timer per entity.

Entities stand in the order in which events at one time happen (docs/contract.md 2): post-processing [S], GPUs [G],
uplinks [D],
downlinks [D], cameras [C], batch starts [S]. A node holds the time and the entity of its earliest child.
"""

from __future__ import annotations

from octogym.sim.jit import jit
from octogym.sim.layout import INF, N_LEAVES, O_TREE


@jit
def set_timer(m, tab, entity, time):
    """Let `entity` fire at `time` (INF = never)."""
    tree = tab[O_TREE]
    node = entity + tab[N_LEAVES]
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


@jit
def timer(m, tab, entity):
    """When `entity` fires."""
    return m[tab[O_TREE] + 2 * (entity + tab[N_LEAVES])]


@jit
def clear_timers(m, tab):
    """No entity fires."""
    tree, leaves = tab[O_TREE], tab[N_LEAVES]
    for entity in range(leaves):
        m[tree + 2 * (leaves + entity)] = INF
        m[tree + 2 * (leaves + entity) + 1] = entity
    for node in range(leaves - 1, 0, -1):
        m[tree + 2 * node] = INF
        m[tree + 2 * node + 1] = m[tree + 4 * node + 1]
