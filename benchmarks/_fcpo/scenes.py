"""Streets that training never saw: the testbed's cameras look at AI City's crossings."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._study.runs import Condition
from octogym.cluster.registry import load_scenario
from octogym.cluster.traces import find_data, load_real

#: Objects per frame that a street of the testbed shows on average; its `load` factors bring every stream near it.
LEVEL = 3.2


def unseen(name: str, **more: Any) -> Condition:
    """`fcpo-testbed` with an AI City node at each street camera, scaled to the testbed's level."""
    if find_data() is None:
        raise SystemExit("this benchmark needs the measured traces: octogym data fetch, or OCTOGYM_DATA")
    counts = load_real(families=("aicity",)).counts
    means = {name: float(_seen(series.counts["car"]).mean()) for name, series in counts.items()}
    nodes = [name for name in sorted(means) if means[name] > 3]
    cameras = [camera.id for camera in load_scenario("fcpo-testbed").cluster.cameras]
    streets = [camera for camera in cameras if camera.startswith("traffic")]
    changes: list[tuple[str, Any]] = []
    for k, camera in enumerate(streets):
        node = nodes[k % len(nodes)]
        changes += [
            (f"cameras.{camera}.series", node),
            (f"cameras.{camera}.scenes", []),
            (f"cameras.{camera}.load", round(LEVEL / means[node], 3)),
        ]
    return Condition(split="all", changes=(*changes, *more.items()), name=name)


def _seen(values: np.ndarray) -> np.ndarray:
    return values[values >= 0]
