"""What goes into the encoder: embeddings of values, of the cluster's load over time, and of each node's place in it."""

from __future__ import annotations

import math

from octogym.scheduler.octocross.config import VIEWS, OctoCrossConfig
from octogym.scheduler.octocross.ids import FIRST_DEVICE, UNKNOWN
from octogym.scheduler.octocross.torch_extra import functional, nn, torch

_POSITION_SCALE = 0.1


class SpatialEmbedding(nn.Module):
    """S [B, N, d]: each view's N -> 1 -> d and the node's position (OctoCross 3.1, "Cluster Spatial Embedding").

    N -> 1 is the mean over the nodes that are there, of a row (what leaves) and of a column (what arrives), so that no
    weight depends on N. Positions are keyed by stable ids; ids beyond the table read the unknown row.
    """

    def __init__(self, config: OctoCrossConfig) -> None:
        super().__init__()
        self.views = nn.ModuleList(nn.Linear(2, config.width) for _ in VIEWS)
        self.positions = nn.Embedding(config.positions, config.width)
        nn.init.normal_(self.positions.weight, std=_POSITION_SCALE)

    def forward(self, views: torch.Tensor, valid: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Views [B, 3, N, N] already masked, valid [B, N] of 0 and 1, ids int64 [B, N]."""
        count = valid.sum(-1).clamp_min(1.0)[:, None, None]
        means = torch.stack((views.sum(-1) / count, views.sum(-2) / count), -1)
        table = len(self.positions.weight)
        known = ids.masked_fill((ids < 0) | (ids >= table), UNKNOWN)
        embedded: torch.Tensor = self.positions(known)
        for m, layer in enumerate(self.views):
            embedded = embedded + layer(means[:, m])
        return embedded

    @torch.no_grad()
    def start_rows(self, new: torch.Tensor, known: torch.Tensor) -> None:
        """Puts the rows of the ids ``new`` at the mean of those of ``known`` (of the unknown row if that is empty)."""
        rows = known if len(known) else torch.tensor([UNKNOWN])
        self.positions.weight[new[new >= FIRST_DEVICE]] = self.positions.weight[rows].mean(0)


class TemporalEmbedding(nn.Module):
    """T [B, tau, d]: the cluster's load at each time, N -> 1 -> d (section 3.1, "Workload Spatiotemporal Embedding").

    The map N -> 1 is a weighted mean whose weights come from the nodes' spatial embeddings: learned, of no fixed size.
    """

    time: torch.Tensor

    def __init__(self, config: OctoCrossConfig) -> None:
        super().__init__()
        self.weight = nn.Linear(config.width, 1)
        self.value = nn.Linear(1, config.width)
        self.register_buffer("time", sinusoids(config.history, config.width), persistent=False)

    def forward(self, load: torch.Tensor, spatial: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Loads [B, N, tau] relative to capacity, S [B, N, d], valid [B, N]."""
        weight = functional.softplus(self.weight(spatial)) * valid[..., None]
        mean = (weight * load).sum(1) / weight.sum(1).clamp_min(1e-6)
        embedded: torch.Tensor = self.value(mean[..., None]) + self.time
        return embedded


def sinusoids(steps: int, width: int) -> torch.Tensor:
    """The fixed positional encoding of transformers (base 10000), [steps, width]."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(steps)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), -1).reshape(steps, width)
