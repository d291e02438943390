"""OctoCross's model: loads of the last seconds and three views of the cluster to forecasts and offloading scores."""

from __future__ import annotations

import math
from typing import NamedTuple

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import FEATURE, KEY, LEAST_CAPACITY, MIDDLE, VIEWS, OctoCrossConfig
from octogym.scheduler.octocross.embedding import SpatialEmbedding, TemporalEmbedding
from octogym.scheduler.octocross.encoder import Block, neighbourhood
from octogym.scheduler.octocross.torch_extra import nn, torch


class Prediction(NamedTuple):
    """What the model says of B windows of N nodes.

    Attributes:
        forecast: [B, N, Q] objects per frame of the next samples, from 0; 0 for nodes that are not there.
        scores: [B, N, N], larger is better for offloading from row to column; only differences within a row count.
    """

    forecast: torch.Tensor
    scores: torch.Tensor


class Residual(nn.Module):
    """Linear, ReLU, linear, with a linear shortcut (the released head's block)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first, self.second, self.shortcut = nn.Linear(into, out), nn.Linear(out, out), nn.Linear(into, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(torch.relu(self.first(x))) + self.shortcut(x)
        return y


class Head(nn.Module):
    """Scores [B, N, N] for every pair of nodes from features of the two and the views of the pair.

    The published head is an MLP to N x N numbers, which fixes N; this one has no weight that depends on it. Keys and
    the views' layer have no bias: it would move all scores of a row alike, which the softmax does not see.
    """

    def __init__(self, config: OctoCrossConfig) -> None:
        super().__init__()
        into = config.horizon + 2 * config.width + 1
        self.feature = nn.Sequential(Residual(into, MIDDLE), Residual(MIDDLE, FEATURE))
        self.query, self.key = nn.Linear(FEATURE, KEY), nn.Linear(FEATURE, KEY, bias=False)
        self.view = nn.Linear(len(VIEWS), 1, bias=False)

    def forward(self, nodes: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
        """Features [B, N, horizon + 2 d + 1], views [B, 3, N, N]."""
        u = self.feature(nodes)
        pairs = self.query(u) @ self.key(u).transpose(-1, -2) / math.sqrt(KEY)
        scores: torch.Tensor = pairs + self.view(views.permute(0, 2, 3, 1))[..., 0]
        return scores


class OctoCrossModel(nn.Module):
    """OctoCross (ICSOC 2025, section 3.1) for any number of nodes: no parameter depends on it.

    Value, temporal and spatial embeddings; `config.blocks` blocks with attention over nodes and over time; a linear
    decoder of the last time, which forecasts the change from the last value (it begins at none: persistence); a
    pairwise head. Servers are nodes like others, with the id `ids.SERVER` and a load of 0: they get a column of the
    scores.
    Unlike the released code, spatial attention runs over the nodes, and nothing is rounded on the way to the loss.

    Args:
        config: sizes; see `config.PRESETS`.
        seed: of the initial weights; torch's global generator is left as it is.
    """

    def __init__(self, config: OctoCrossConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.value = nn.Linear(1, config.width)
            self.spatial = SpatialEmbedding(config)
            self.temporal = TemporalEmbedding(config)
            self.norm = nn.LayerNorm(config.width)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
            # The released decoder's learned scale and shift are this layer's own weight and bias.
            self.decoder = nn.Linear(config.width, config.horizon)
            self.head = Head(config)
            nn.init.zeros_(self.decoder.weight)
            nn.init.zeros_(self.decoder.bias)

    def forward(
        self,
        history: torch.Tensor,
        capacity: torch.Tensor,
        views: torch.Tensor,
        valid: torch.Tensor,
        ids: torch.Tensor,
    ) -> Prediction:
        """One decision per window.

        Args:
            history: [B, N, tau] objects per frame generated at the nodes, latest last.
            capacity: [B, N] objects per frame.
            views: [B, 3, N, N] in [0, 1], in the order of `config.VIEWS`.
            valid: bool [B, N]: nodes that are there. What stands for the others changes nothing.
            ids: int64 [B, N] rows of the positional table (`ids.DeviceIds`).

        Raises:
            SchedulerError: shapes that do not fit together or the configuration.
        """
        self._check(history, capacity, views, valid, ids)
        there = valid.to(history.dtype)
        # torch.where, so that not even a NaN of a missing node comes through.
        views = torch.where((valid[:, :, None] & valid[:, None, :])[:, None], views, 0.0)
        scale = torch.where(valid, capacity, 0.0).clamp_min(LEAST_CAPACITY)[..., None]
        load = torch.where(valid[..., None], history, 0.0) / scale
        s = self.spatial(views, there, ids)
        t = self.temporal(load, s, there)
        z = self.norm(self.value(load[..., None]) + s[:, :, None] + t[:, None]) * there[:, :, None, None]
        around = neighbourhood(views, there, self.config)
        for block in self.blocks[:-1]:
            z = block(z, around, there)
        z = self.blocks[-1](z, around, there, last_only=True)[:, :, 0]
        now = load[..., -1:]
        forecast = (now + self.decoder(z)).clamp_min(0.0)
        scores = self.head(torch.cat((forecast, s, z, now), -1), views)
        return Prediction(forecast * scale * there[..., None], scores)

    def _check(
        self,
        history: torch.Tensor,
        capacity: torch.Tensor,
        views: torch.Tensor,
        valid: torch.Tensor,
        ids: torch.Tensor,
    ) -> None:
        if history.ndim != 3 or history.shape[-1] != self.config.history:
            raise SchedulerError(f"history {tuple(history.shape)}: expected [B, N, {self.config.history}]")
        b, n, _ = history.shape
        wanted = {"capacity": (b, n), "views": (b, len(VIEWS), n, n), "valid": (b, n), "ids": (b, n)}
        for name, value in (("capacity", capacity), ("views", views), ("valid", valid), ("ids", ids)):
            if tuple(value.shape) != wanted[name]:
                raise SchedulerError(f"{name} {tuple(value.shape)}: expected {wanted[name]}")
        if valid.dtype != torch.bool:
            raise SchedulerError(f"valid: expected a tensor of bool, not {valid.dtype}")
