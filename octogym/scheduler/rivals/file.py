"""Checkpoints of the rivals that learn: weights, sizes, device numbers, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cluster.tensor_file import TensorFileError, check_arrays, read_tensors, write_tensors
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.torch_extra import torch
from octogym.scheduler.rivals.ablated import SpatAblModel, TempAblModel
from octogym.scheduler.rivals.forecasters import ForecasterConfig, GraphForecaster, LstmForecaster

Rival = LstmForecaster | GraphForecaster | TempAblModel | SpatAblModel

#: Methods that learn; also the kinds of their checkpoints and the names of their policies.
METHODS = ("distream-offload", "gnn-lstm", "temp-abl", "spat-abl")


@dataclass(frozen=True, eq=False)
class RivalFile:
    """A checkpoint that was read. `nodes`: the names of a trained graph's nodes, empty where there is no graph.
    `about`: plain values that say what the weights were trained on."""

    path: Path
    model: Rival
    ids: DeviceIds
    nodes: tuple[str, ...]
    about: Mapping[str, Any]


def new_model(method: str, config: OctoCrossConfig, seed: int = 0, graph: np.ndarray | None = None) -> Rival:
    """A rival's model before training.

    Args:
        config: the ablations' sizes; of others its history and horizon alone.
        graph: bool [N, N], of gnn-lstm.

    Raises:
        SchedulerError: no such method, or a graph where there is none or none where there is.
    """
    if method not in METHODS:
        raise SchedulerError(f"method = {method!r}: expected one of {', '.join(METHODS)}")
    if (graph is not None) != (method == "gnn-lstm"):
        raise SchedulerError(f"graph = {graph!r}: expected one for gnn-lstm, and for gnn-lstm only")
    sizes = ForecasterConfig(config.history, config.horizon)
    if graph is not None:
        return GraphForecaster(sizes, graph, seed)
    if method == "distream-offload":
        return LstmForecaster(sizes, seed)
    return (TempAblModel if method == "temp-abl" else SpatAblModel)(config, seed)


def write_rival(
    path: str | Path,
    method: str,
    model: Rival,
    ids: DeviceIds,
    about: Mapping[str, Any],
    nodes: tuple[str, ...] = (),
) -> Path:
    """Write a checkpoint, whole or not at all."""
    more = {"sizes": asdict(model.config), "ids": dict(sorted(ids.known.items())), "rows": ids.rows}
    return write_tensors(path, _arrays(model), method, {**about, **more, "nodes": list(nodes)})


def read_rival(path: str | Path, method: str) -> RivalFile:
    """Read a checkpoint; the model is in evaluation mode.

    Raises:
        TensorFileError: no such file, a damaged one, or another method's.
    """
    found = read_tensors(path, method)
    about = dict(found.about)
    try:
        sizes = about.pop("sizes")
        ids = DeviceIds(int(about.pop("rows")), about.pop("ids"))
        nodes = tuple(str(name) for name in about.pop("nodes"))
        graph = np.eye(len(nodes), dtype=bool) if method == "gnn-lstm" else None
        if method in ("distream-offload", "gnn-lstm"):
            forecaster = ForecasterConfig(**sizes)
            model: Rival = LstmForecaster(forecaster) if graph is None else GraphForecaster(forecaster, graph)
        else:
            model = new_model(method, OctoCrossConfig(**sizes))
    except (KeyError, TypeError, ValueError, SchedulerError) as error:
        raise TensorFileError(path, f"damaged: its sizes or names cannot be read ({error})") from None
    check_arrays(path, found.arrays, {name: array.shape for name, array in _arrays(model).items()})
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in found.arrays.items()})
    return RivalFile(Path(path), model.eval(), ids, nodes, about)


def _arrays(model: Rival) -> dict[str, np.ndarray]:
    """Parameters and what else belongs to the weights (a graph), by name."""
    return {name: x.detach().cpu().numpy().copy() for name, x in model.state_dict().items()}
