"""The functions of `kernels`, compiled."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from octogym.cluster import observation, settings
from octogym.cluster.compiled import Compiled
from octogym.envs import addresses, columns, plain

_HERE = Path(__file__).parent
_SOURCES = (
    *(_HERE / "kernels.py", _HERE / "pointers.py"),
    *(Path(str(module.__file__)) for module in (addresses, columns, observation, plain, settings)),
)


def _of_kernels(name: str) -> Callable[[], Any]:
    # Numba is only imported to compile.
    return lambda: getattr(import_module("octogym.envs.kernels"), name)


decide = Compiled("decide", 4, _SOURCES, _of_kernels("decide"))
decide_each = Compiled("decide_each", 5, _SOURCES, _of_kernels("decide_each"))
observe = Compiled("observe", 6, _SOURCES, _of_kernels("observe"))
