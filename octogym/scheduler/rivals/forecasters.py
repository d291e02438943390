"""The rivals' forecasters: an LSTM of one node's past, and two graph convolutions before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.labels import CAPACITY
from octogym.scheduler.octocross.model import Prediction
from octogym.scheduler.octocross.torch_extra import nn, torch


@dataclass(frozen=True)
class ForecasterConfig:
    """Sizes: samples that go in, samples that are forecast, width of the LSTM, width of the graph convolutions."""

    history: int = 32
    horizon: int = 16
    hidden: int = 64
    channels: int = 32

    def __post_init__(self) -> None:
        for name in ("history", "horizon", "hidden", "channels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SchedulerError(f"{name} = {value!r}: expected a whole number from 1")


class Lstm(nn.Module):
    """One layer over time, shared by all nodes, and a linear layer from its last state to the horizon.

    It says how far the load will be from its last value, as OctoCross's decoder does, and begins at none: a rival
    that had to learn the level of the load first would lose for that alone.

    Args:
        inputs: numbers per node and time.
    """

    def __init__(self, config: ForecasterConfig, inputs: int = 1) -> None:
        super().__init__()
        self.config = config
        self.lstm = nn.LSTM(inputs, config.hidden, batch_first=True)
        self.out = nn.Linear(config.hidden, config.horizon)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: torch.Tensor, now: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(forecast [B, N, Q] from 0, last state [B, N, hidden]) of inputs [B, N, tau, inputs] and present loads
        [B, N]; loads in any unit, the same for both."""
        b, n = x.shape[:2]
        state = self.lstm(x.flatten(0, 1))[0][:, -1].reshape(b, n, -1)
        return (now[..., None] + self.out(state)).clamp_min(0.0), state


class LstmForecaster(nn.Module):
    """Distream's forecaster as the paper describes it (OctoCross 5.1; sizes ours): every node by itself.

    Its arguments and results are those of `OctoCrossModel`, so that one training serves all; scores are 0.
    """

    def __init__(self, config: ForecasterConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.time = Lstm(config)

    def forward(
        self,
        history: torch.Tensor,
        capacity: torch.Tensor,
        views: torch.Tensor,
        valid: torch.Tensor,
        ids: torch.Tensor,
    ) -> Prediction:
        """See `OctoCrossModel.forward`; views and ids change nothing."""
        load = scaled(history, valid, self.config)
        forecast, _ = self.time(load[..., None], load[..., -1])
        return Prediction(forecast * CAPACITY * valid[..., None], views.new_zeros(views.shape[0], *views.shape[2:]))


class GraphForecaster(nn.Module):
    """GNN_LSTM (after Miao et al., ISPA 2021, as in OctoCross 5.1): per time two graph convolutions, then the LSTM.

    The graph is part of what was trained: another cluster needs another training.

    Args:
        graph: bool [N, N], who is connected with whom, cameras' devices and others; taken both ways.

    Raises:
        SchedulerError: a graph that is not square.
    """

    adjacency: torch.Tensor

    def __init__(self, config: ForecasterConfig, graph: np.ndarray, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("adjacency", torch.from_numpy(normalised(graph)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second = nn.Linear(1, config.channels), nn.Linear(config.channels, config.channels)
            self.time = Lstm(config, config.channels)

    def forward(
        self,
        history: torch.Tensor,
        capacity: torch.Tensor,
        views: torch.Tensor,
        valid: torch.Tensor,
        ids: torch.Tensor,
    ) -> Prediction:
        """See `OctoCrossModel.forward`.

        Raises:
            SchedulerError: another number of nodes than it was trained on.
        """
        nodes = len(self.adjacency)
        if history.shape[1] != nodes:
            raise SchedulerError(
                f"{history.shape[1]} nodes: this GNN_LSTM was trained on a graph of {nodes} and knows no other; train "
                "it anew on this cluster (octogym train gnn-lstm)"
            )
        load = scaled(history, valid, self.config)
        x = load.transpose(1, 2)[..., None]  # [B, tau, N, 1]
        for layer in (self.first, self.second):
            x = torch.relu(self.adjacency @ layer(x))
        forecast, _ = self.time(x.transpose(1, 2), load[..., -1])
        return Prediction(forecast * CAPACITY * valid[..., None], views.new_zeros(views.shape[0], *views.shape[2:]))


def normalised(graph: np.ndarray) -> np.ndarray:
    """float32 [N, N]: D^-1/2 (A + I) D^-1/2 of the graph taken both ways (Kipf and Welling 2017).

    Raises:
        SchedulerError: it is not square.
    """
    graph = np.asarray(graph, bool)
    if graph.ndim != 2 or graph.shape[0] != graph.shape[1]:
        raise SchedulerError(f"graph {graph.shape}: expected [N, N]")
    both = (graph | graph.T | np.eye(len(graph), dtype=bool)).astype(np.float64)
    root = 1.0 / np.sqrt(both.sum(1))
    return (both * root[:, None] * root).astype(np.float32)


def scaled(history: torch.Tensor, valid: torch.Tensor, config: ForecasterConfig) -> torch.Tensor:
    """Loads [B, N, tau] in tens of objects per frame, 0 for nodes that are not there.

    Raises:
        SchedulerError: another length of history.
    """
    if history.ndim != 3 or history.shape[-1] != config.history:
        raise SchedulerError(f"history {tuple(history.shape)}: expected [B, N, {config.history}]")
    return torch.where(valid[..., None], history, 0.0) / CAPACITY
