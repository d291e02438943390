"""The compiled entry points: what Python calls. Compiled on first use and cached on disk."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba

from octogym.sim import initial, pool
from octogym.sim.kernel import step_env, step_env_apart
from octogym.sim.layout import CELL, ZERO
from octogym.sim.pointers import cells_region, hist_region, log_region, m_region, plan_region, tab_region
from octogym.sim.rates import rate_at

_OPTIONS = {"error_model": "numpy", "nogil": True, "boundscheck": False, "cache": True}


def _source_number() -> int:
    """Changes when any part of the kernel does: Numba's cache looks at the file of an entry point only."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    compiled = [here.parent / "cluster" / name for name in ("draws.py", "settings.py", "telemetry.py", "workload.py")]
    for path in (*sorted(here.glob("*.py")), *compiled):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


def _build(source: int) -> tuple[Any, ...]:
    # `source` is a closure variable of each entry point, and so part of its cache key.
    @numba.njit(**_OPTIONS)
    def step_serial(low, high, todo, decision, m, cells, tab, plan, hist, log, out):
        for e in range(low, high):
            if todo[e] != source * 0:
                todo[e] = step_env(
                    e,
                    decision,
                    m_region(m, e),
                    cells_region(cells, e),
                    tab_region(tab, 0),
                    plan_region(plan, e),
                    hist_region(hist, e),
                    log_region(log, e),
                    out,
                )

    @numba.njit(parallel=True, **_OPTIONS)
    def step_parallel(low, high, todo, decision, m, cells, tab, plan, hist, log, out):
        for e in numba.prange(low, high):
            if todo[e] != source * 0:
                todo[e] = step_env_apart(
                    e,
                    decision,
                    m_region(m, e),
                    cells_region(cells, e),
                    tab_region(tab, 0),
                    plan_region(plan, e),
                    hist_region(hist, e),
                    log_region(log, e),
                    out,
                )

    @numba.njit(**_OPTIONS)
    def set_up(m, cells, tab, plan, links, e, seed):
        n_cells = cells.shape[1] // CELL
        state, table = m_region(m, e), tab_region(tab, 0)
        initial.set_up(state, cells_region(cells, e), table, n_cells, seed + source * 0)
        for link in range(links.shape[2]):
            links[0, e, link] = rate_at(state, table, plan_region(plan, e), link, ZERO)[0]

    @numba.njit(**_OPTIONS)
    def add_cells(m, cells, e, first, last):
        pool.add_cells(m_region(m, e), cells_region(cells, e), first + source * 0, last)

    return step_serial, step_parallel, set_up, add_cells


#: step(low, high, todo, ...): todo int64 [E]; where it is not 0 the environment advances, and it becomes 0 or the
#: status to resolve.
step_serial, step_parallel, set_up, add_cells = _build(_source_number())
_called: set[str] = set()


@contextmanager
def compiling(what: str) -> Iterator[None]:
    """Around a call that may compile: says so on standard error if it takes more than a second, the first time."""
    if what in _called:
        yield
        return
    timer = threading.Timer(1.0, _say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    _called.add(what)


def _say() -> None:
    if "said" not in _called:
        _called.add("said")
        sys.stderr.write("octogym: compiling the simulator, once per installation (about half a minute) ...\n")
        sys.stderr.flush()
