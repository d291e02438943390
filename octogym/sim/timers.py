"""The next event of an environment: a tree of winners over one timer per entity.

Entities stand in the order in which events at one time happen (docs/contract.md 2): post-processing [S], GPUs [G], uplinks [D],
downlinks [D], cameras [C], batch starts [S].
"""

from __future__ import annotations

from octogym.sim.jit import jit
from octogym.sim.layout import INF, N_LEAVES, O_TIMES, O_WINNERS


@jit
def set_timer(m, tab, entity, time):
    """Let `entity` fire at `time` (INF = never)."""
    times = tab[O_TIMES]
    if m[times + entity] == time:
        return
    winners = tab[O_WINNERS]
    m[times + entity] = time
    node = (entity + tab[N_LEAVES]) >> 1
    while node >= 1:
        left, right = m[winners + 2 * node], m[winners + 2 * node + 1]
        winner = left if m[times + left] <= m[times + right] else right
        if m[winners + node] == winner and winner != entity:
            return
        m[winners + node] = winner
        node >>= 1


@jit
def clear_timers(m, tab):
    """No entity fires."""
    times, winners, leaves = tab[O_TIMES], tab[O_WINNERS], tab[N_LEAVES]
    for entity in range(leaves):
        m[times + entity] = INF
        m[winners + leaves + entity] = entity
    for node in range(leaves - 1, 0, -1):
        m[winners + node] = m[winners + 2 * node]
