"""Import every module that runs on a device, and check that none of them needed more than a device has."""

import importlib
import pkgutil
import sys

ROOMS = [
    "octogym.cluster",
    "octogym.bridge.protocol",
    "octogym.agents.onboard",
    "octogym.device_node",
    "octogym.fed.client",
    "octogym.fed.wire",
]
ABSENT = ["gymnasium", "numba", "pandas", "pettingzoo", "scipy", "torch"]


def main() -> None:
    names = ["octogym"]
    for room in ROOMS:
        package = importlib.import_module(room)
        names.append(room)
        below = getattr(package, "__path__", [])  # a module has none
        names.extend(found.name for found in pkgutil.walk_packages(below, room + "."))
    for name in names:
        importlib.import_module(name)
    heavy = [name for name in ABSENT if name in sys.modules]
    if heavy:
        sys.exit("a device room imported " + ", ".join(heavy))
    print(f"imported {len(names)} modules on CPython {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
