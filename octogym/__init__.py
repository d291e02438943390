"""OctoGym: train edge video-analytics policies in a trace-driven simulator, then step them on real devices.

Importing the package registers the environments with Gymnasium and PettingZoo where both are installed, and loads
no room beyond that. On a device (Python 3.8, NumPy and msgspec alone) it loads nothing.
"""

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any, List

from octogym.version import __version__

if TYPE_CHECKING:
    from octogym import cluster, envs, sim, testing
    from octogym.cluster.registry import load_scenario, make_policy, scenarios

_ROOMS = ("cluster", "envs", "sim", "testing")
_NAMES = ("load_scenario", "make_policy", "scenarios")

__all__ = ["__version__", "cluster", "envs", "load_scenario", "make_policy", "scenarios", "sim", "testing"]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module("octogym." + name)
    if name in _NAMES:
        return getattr(importlib.import_module("octogym.cluster.registry"), name)
    raise AttributeError(f"module 'octogym' has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(__all__))


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


if sys.version_info >= (3, 10) and _has("gymnasium") and _has("pettingzoo"):
    from octogym.envs import registration

    registration.register()
