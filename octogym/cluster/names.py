"""Names of backends, policies and scenario packages: ours from a table, others' from entry points (PEP 621)."""

from __future__ import annotations

import importlib
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from octogym.cluster.errors import ScenarioError
from octogym.cluster.loading.document import choices

BACKENDS, POLICIES, SCENARIOS = "octogym.backends", "octogym.policies", "octogym.scenarios"

#: What pyproject.toml declares, so that names resolve from a checkout, too: name -> "module:attribute", for
#: scenarios a package that holds *.toml files.
OWN: Dict[str, Dict[str, str]] = {
    BACKENDS: {
        "sim": "octogym.sim:SimBackend",
        "bridge": "octogym.bridge.backend:open_bridge",
        "replay": "octogym.bridge.replay:open_replay",
    },
    POLICIES: {
        "random": "octogym.agents.random:RandomPolicy",
        "static": "octogym.agents.static:StaticPolicy",
        "rate-rule": "octogym.agents.rate_rule:RateRulePolicy",
        "tuned-static": "octogym.agents.tuned_static:TunedStaticPolicy",
        "best-in-hindsight": "octogym.agents.hindsight:HindsightPolicy",
        "fcpo": "octogym.agents.fcpo:FcpoPolicy",
        "fcpo-plus": "octogym.agents.fcpo:FcpoPlusPolicy",
        "bcedge": "octogym.agents.bcedge:BCEdgePolicy",
        "ippo": "octogym.agents.ppo:PpoPolicy",
        "mappo": "octogym.agents.ppo:PpoPolicy",
        "octopinf": "octogym.scheduler.octopinf:OctopInfPolicy",
        "distream": "octogym.scheduler.distream:DistreamPolicy",
        "jellyfish": "octogym.scheduler.jellyfish:JellyfishPolicy",
        "none": "octogym.scheduler.offload.local:NonePolicy",
        "octocross": "octogym.scheduler.octocross.policy:OctoCrossPolicy",
        "distream-offload": "octogym.scheduler.rivals.distream:DistreamOffloadPolicy",
        "gnn-lstm": "octogym.scheduler.rivals.gnn_lstm:GnnLstmPolicy",
        "temp-abl": "octogym.scheduler.rivals.ablations:TempAblPolicy",
        "spat-abl": "octogym.scheduler.rivals.ablations:SpatAblPolicy",
        "lp-bound": "octogym.scheduler.rivals.perfect:LpBoundPolicy",
        "mappo-offload": "octogym.agents.ppo:MappoOffloadPolicy",
    },
    SCENARIOS: {"octogym": "octogym.cluster.scenarios"},
}


def _installed(group: str) -> Iterator[Tuple[str, str]]:
    from importlib.metadata import entry_points

    found: Any = entry_points()
    # Python 3.8 and 3.9 return a dictionary of groups.
    for point in found.select(group=group) if hasattr(found, "select") else found.get(group, ()):
        yield point.name, point.value


@lru_cache(maxsize=None)
def names(group: str) -> Dict[str, str]:
    """Name -> value of a group.

    Raises:
        ScenarioError: two packages claim one name for different things.
    """
    known = dict(OWN[group])
    for name, value in _installed(group):
        if known.setdefault(name, value) != value:
            raise ScenarioError(f"entry points {group}", name, value, f"another name: {known[name]} has this one")
    return known


def load_name(group: str, name: str) -> Any:
    """The object behind a name.

    Raises:
        ScenarioError: no such name, or what it stands for cannot be imported.
    """
    known = names(group)
    if name not in known:
        raise ScenarioError(f"entry points {group}", "name", name, choices(name, known))
    module, _, attribute = known[name].partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(error.name + ".")):
            raise
        raise ScenarioError(f"entry points {group}", name, known[name], f"a module that exists ({error})") from None
    except AttributeError as error:
        raise ScenarioError(f"entry points {group}", name, known[name], f"an attribute that exists ({error})") from None
    return found


def _in_order(file: Path) -> List[Any]:
    """Sorts by the numbers in names: campus-8 before campus-12."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", file.stem)]


def scenario_files() -> Dict[str, Path]:
    """Scenario name -> file, over all packages of the group."""
    found: Dict[str, Path] = {}
    for name, package in names(SCENARIOS).items():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ScenarioError(f"entry points {SCENARIOS}", name, package, "a package that holds *.toml files")
        for folder in spec.submodule_search_locations:
            for file in sorted(Path(folder).glob("*.toml"), key=_in_order):
                if found.setdefault(file.stem, file) != file:
                    raise ScenarioError(
                        f"entry points {SCENARIOS}",
                        name,
                        str(file),
                        f"another file name: {found[file.stem]} has this one",
                    )
    return found
