"""`load_scenario`: a shipped name, a generated one or a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from octogym.cluster.errors import ScenarioError
from octogym.cluster.loading.assemble import assemble
from octogym.cluster.loading.document import choices, generated_document, read_document
from octogym.cluster.loading.scale import scale_document
from octogym.cluster.scenario import Scenario

SCALE = re.compile(r"scale-([1-9][0-9]*)\Z")


def load_scenario(
    scenario: Union[str, Path], overrides: Optional[Mapping[str, Any]] = None, **settings: Any
) -> Scenario:
    """A scenario by its name (`octogym.scenarios()`; `scale-N` for any N) or from a TOML file.

    Args:
        scenario: a name, or the path of a file that ends in ``.toml``.
        overrides: keys of the file to replace, dotted (``{"pipelines.traffic.slo_ms": 100}``) or as nested tables.
        **settings: the same for top-level keys: ``load_scenario("fcpo-testbed", slo_ms=100, split="test")``.

    Raises:
        ScenarioError: no such scenario, or a file that cannot be used; names file, key, value and what is allowed.
        TraceError: a damaged trace.
    """
    changes: Dict[str, Any] = {**(overrides or {}), **settings}
    if isinstance(scenario, Path) or str(scenario).endswith(".toml"):
        return assemble(read_document(scenario, changes), Path(scenario).stem)
    scale = SCALE.match(scenario)
    if scale:
        data = scale_document(int(scale.group(1)))
        return assemble(generated_document(data, scenario, changes), scenario)
    from octogym.cluster.names import scenario_files  # names needs this package's messages

    files = scenario_files()
    if scenario not in files:
        raise ScenarioError(
            scenario, "scenario", scenario, choices(scenario, [*files, "scale-N"], "a .toml file, or one of")
        )
    return assemble(read_document(files[scenario], changes), scenario)
