"""Training of the rivals that learn, as OctoCross is trained: same series, same windows, same optimiser.

```python
from octogym.train.octocross import ForecasterTraining, train_forecaster
result = train_forecaster(ForecasterTraining("campus-16", method="gnn-lstm", out="runs/gnn-lstm"))
result.file
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from octogym.train.octocross.training import OctoCrossResult, OctoCrossTraining, Training, run_training
from octogym.train.settings import SettingError, one_of

if TYPE_CHECKING:
    from octogym.scheduler.octocross.config import OctoCrossConfig
    from octogym.scheduler.octocross.dataset import LoadSeries
    from octogym.scheduler.octocross.fit import FitSettings
    from octogym.scheduler.octocross.model import OctoCrossModel
    from octogym.scheduler.rivals.file import Rival

#: Neighbours of a node in GNN_LSTM's graph, servers not counted (specification 1.3).
NEIGHBOURS = 4


@dataclass(frozen=True)
class ForecasterTraining(OctoCrossTraining):
    """What is trained, and how long; further arguments as `OctoCrossTraining`.

    Args:
        method: ``"distream-offload"``, ``"gnn-lstm"``, ``"temp-abl"`` or ``"spat-abl"``. All but ``"temp-abl"``, which
            has a decision to learn, are trained on the forecast alone, whatever weights the settings give the other
            terms of the loss. ``"gnn-lstm"`` learns one cluster: a scenario and no further series.
    """

    method: str = "distream-offload"

    def __post_init__(self) -> None:
        from octogym.scheduler.rivals.file import METHODS

        super().__post_init__()
        one_of(self, "method", METHODS)


def train_forecaster(config: ForecasterTraining) -> OctoCrossResult:
    """Train a rival; progress, stopping, resuming and errors as `train_octocross`."""

    class Rival(_RivalTraining):
        kind = config.method

    return run_training(config, Rival)


class _RivalTraining(Training):
    """`Training` of a rival's model."""

    config: ForecasterTraining

    def new_model(self, sizes: OctoCrossConfig) -> OctoCrossModel:
        from octogym.scheduler.rivals.file import new_model

        # Its arguments and results are those of OctoCross's model.
        return cast("OctoCrossModel", new_model(self.kind, sizes, self.config.seed, self._graph()))

    def settings(self) -> FitSettings:
        from octogym.scheduler.octocross.fit import FitSettings
        from octogym.scheduler.octocross.loss import LossWeights

        settings = self.config.settings or FitSettings()
        if self.kind == "temp-abl":
            return settings
        weights = settings.weights
        alone = LossWeights(weights.forecast, overload=0.0, label=0.0, smooth=weights.smooth, move=0.0, shares=0.0)
        return replace(settings, weights=alone)

    def write(self, file: Path, about: dict[str, Any]) -> Path:
        from octogym.scheduler.rivals.file import write_rival

        nodes = self.data[0].nodes if self.kind == "gnn-lstm" else ()
        model = cast("Rival", self.fit.model)
        return write_rival(file, self.kind, model, self.fit.ids, {**about, "method": self.kind}, nodes)

    def _graph(self) -> np.ndarray | None:
        if self.kind != "gnn-lstm":
            return None
        first = self.data[0]
        if any(one.nodes != first.nodes for one in self.data):
            raise SettingError(
                "series", list(map(str, self.config.series)), "one cluster: GNN_LSTM's graph has a fixed set of nodes"
            )
        return topology(first)


def topology(series: LoadSeries) -> np.ndarray:
    """bool [N, N]: each node with its `NEIGHBOURS` best connected ones and the servers, by the means of the links."""
    from octogym.cluster.offloading.views import network
    from octogym.scheduler.octocross.edges import valid_edges

    rate = np.minimum(series.link_rates.mean(0)[:, None], series.down_rates.mean(0)[None, :])
    view = network(rate, series.crop_bytes[:, None], series.latency_s)
    return valid_edges(view, np.ones(len(series.nodes), bool), series.servers, NEIGHBOURS)
