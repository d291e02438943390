"""Memory of an environment that is about to be stepped, fetched into the cache while others are.

A batch's environments do not fit into a core's cache together: each one's state has left it since its last step.
"""

from __future__ import annotations

from octogym.cluster.telemetry import BINS
from octogym.sim.addresses import AT
from octogym.sim.jit import jit
from octogym.sim.layout import CELLS_USED, HEADER, HIST_HIGH, HIST_LOW, INST, LEAF_HIGH, LEAF_LOW, N_INST
from octogym.sim.pointers import cells_region, fetch, hist_region, m_region


@jit
def fetch_state(where, e):
    """m of environment e."""
    fetch(m_region(where[AT.m], e * where[AT.m_words]), 0, where[AT.m_words])


@jit
def fetch_rest(where, tab, e):
    """What m of environment e, which is there by now, says will be used: cells, and bins that will be cleared."""
    m = m_region(where[AT.m], e * where[AT.m_words])
    fetch(cells_region(where[AT.cells], e * where[AT.cells_words]), 0, m[CELLS_USED])
    hist = hist_region(where[AT.hist], e * where[AT.hist_words])
    n = tab[N_INST]
    for s in range(n):
        i = HEADER + s * INST
        fetch(hist, s * BINS + m[i + HIST_LOW], s * BINS + m[i + HIST_HIGH] + 1)
        fetch(hist, (n + s) * BINS + m[i + LEAF_LOW], (n + s) * BINS + m[i + LEAF_HIGH] + 1)
