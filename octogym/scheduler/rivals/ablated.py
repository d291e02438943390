"""OctoCross less one of its halves (section 5.4): Temp-Abl without its model of time, Spat-Abl without that of space.

The paper names what is dropped and not how the rest is wired; the wiring is ours.
"""

from __future__ import annotations

from octogym.scheduler.octocross.config import LEAST_CAPACITY, OctoCrossConfig
from octogym.scheduler.octocross.embedding import SpatialEmbedding
from octogym.scheduler.octocross.labels import CAPACITY
from octogym.scheduler.octocross.model import Head, OctoCrossModel, Prediction
from octogym.scheduler.octocross.torch_extra import nn, torch
from octogym.scheduler.rivals.forecasters import ForecasterConfig, Lstm, scaled


class TempAblModel(nn.Module):
    """OctoCross whose forecast comes from an LSTM of each node by itself.

    The temporal workload embedding and the encoder, which works on it, are gone; the LSTM's last state stands for the
    encoder's. Spatial embedding, head and projection are OctoCross's own. Arguments as `OctoCrossModel`.
    """

    def __init__(self, config: OctoCrossConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self._sizes = ForecasterConfig(config.history, config.horizon)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.time = Lstm(self._sizes)
            self.state = nn.Linear(self._sizes.hidden, config.width)
            self.spatial = SpatialEmbedding(config)
            self.head = Head(config)

    def forward(
        self,
        history: torch.Tensor,
        capacity: torch.Tensor,
        views: torch.Tensor,
        valid: torch.Tensor,
        ids: torch.Tensor,
    ) -> Prediction:
        """See `OctoCrossModel.forward`."""
        load = scaled(history, valid, self._sizes)
        there = valid.to(load.dtype)
        views = torch.where((valid[:, :, None] & valid[:, None, :])[:, None], views, 0.0)
        forecast, state = self.time(load[..., None], load[..., -1])
        forecast = forecast * CAPACITY * there[..., None]
        scale = torch.where(valid, capacity, 0.0).clamp_min(LEAST_CAPACITY)[..., None]
        now = load[..., -1:] * CAPACITY / scale
        s = self.spatial(views, there, ids)
        scores = self.head(torch.cat((forecast / scale, s, self.state(state), now), -1), views)
        return Prediction(forecast, scores)


class SpatAblModel(OctoCrossModel):
    """OctoCross's forecaster without anything that says where a node is: no views, no positions, no learned decision.

    Who offloads to whom is then Distream's greedy rule. Arguments as `OctoCrossModel`; scores are 0.
    """

    def __init__(self, config: OctoCrossConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.spatial = _Nowhere(config.width)  # type: ignore[assignment]
        self.head = _NoScores()  # type: ignore[assignment]

    def forward(
        self,
        history: torch.Tensor,
        capacity: torch.Tensor,
        views: torch.Tensor,
        valid: torch.Tensor,
        ids: torch.Tensor,
    ) -> Prediction:
        """See `OctoCrossModel.forward`; views and ids change nothing."""
        return super().forward(history, capacity, torch.zeros_like(views), valid, ids)


class _Nowhere(nn.Module):
    """A spatial embedding of 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, views: torch.Tensor, valid: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return views.new_zeros(*valid.shape, self.width)


class _NoScores(nn.Module):
    def forward(self, nodes: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
        return views[:, 0] * 0.0
