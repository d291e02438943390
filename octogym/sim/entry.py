"""The compiled entry points: what Python calls. Compiled on first use and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from octogym.cluster.compiled import Compiled

_HERE = Path(__file__).parent
_CLUSTER = ("decision.py", "draws.py", "settings.py", "telemetry.py", "workload.py")
_SOURCES = (*sorted(_HERE.glob("*.py")), *(_HERE.parent / "cluster" / name for name in _CLUSTER))


def _of_roots(name: str) -> Callable[[], Any]:
    # Numba is only imported to compile.
    return lambda: getattr(import_module("octogym.sim.roots"), name)


step = Compiled("step", 3, _SOURCES, _of_roots("step"), short_loops=True)
set_up = Compiled("set_up", 3, _SOURCES, _of_roots("set_up"), short_loops=True)
add_cells = Compiled("add_cells", 4, _SOURCES, _of_roots("add_cells"), short_loops=True)
