"""The functions of `kernels`, compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


_decide = Compiled("decide", 1, _SOURCES, _of_kernels("decide"))
_decide_each = Compiled("decide_each", 1, _SOURCES, _of_kernels("decide_each"))
_observe = Compiled("observe", 2, _SOURCES, _of_kernels("observe"))


@dataclass(frozen=True)
class Loops:
    """The functions of `kernels` for one table of `addresses`. `observe` is for all environments, `each` for one: the
    address of the function and its first argument."""

    decide: Callable[[], int]
    decide_each: Callable[[], int]
    observe: Callable[[], int]
    each: tuple[int, int]

    @classmethod
    def of(cls, at: int) -> Loops:
        """Loads them, or compiles them."""
        decide, decide_each = (each.bound(at, brief=True) for each in (_decide, _decide_each))
        return cls(decide, decide_each, _observe.bound(at, -1), (_observe.address, at))
