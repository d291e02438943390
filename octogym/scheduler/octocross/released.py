"""OctoCross's model as its authors released it, kept to compare with: per-node forecasts and an untrained head.

Follows the public code of the OctoCross branch of tungngreen/PipelineScheduler (MIT), not the paper. What differs:
both kinds of attention run over time, so no information crosses nodes in the encoder; embeddings, head and node table
are made for one N; transfers are rounded up, so no gradient reaches the head; the projection scales once, sends part of
what has no target over forbidden edges, and knows no theta and no server. Use `model` for anything else.
"""

from __future__ import annotations

from typing import NamedTuple

from octogym.scheduler.octocross.embedding import sinusoids
from octogym.scheduler.octocross.labels import CAPACITY
from octogym.scheduler.octocross.model import Residual
from octogym.scheduler.octocross.projection import CLOSED, EPSILON
from octogym.scheduler.octocross.torch_extra import functional, nn, torch

_LONGEST = 500
_START = 10.0
_MIDDLE, _FEATURE = 128, 256


class ReleasedPrediction(NamedTuple):
    """Forecasts of both decoders [B, Q, N]; transfers [B, Q, N, N] in whole objects; loads after them [B, Q, N]."""

    main: torch.Tensor
    aux: torch.Tensor
    moved: torch.Tensor
    after: torch.Tensor


class _Block(nn.Module):
    """Twice attention over time, named temporal and spatial; gated (runtime code) or one after the other (training)."""

    def __init__(self, width: int, heads: int, gated: bool) -> None:
        super().__init__()
        self.temporal = nn.MultiheadAttention(width, heads, batch_first=True)
        self.spatial = nn.MultiheadAttention(width, heads, batch_first=True)
        self.gate = nn.Linear(2 * width, width) if gated else None
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 if gated else 3))
        self.ffn = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.temporal(x, x, x, need_weights=False)[0]
        if self.gate is None:
            x = self.norms[0](x + t)
            x = self.norms[1](x + self.spatial(x, x, x, need_weights=False)[0])
        else:
            s = self.spatial(x, x, x, need_weights=False)[0]
            g = torch.sigmoid(self.gate(torch.cat((t, s), -1)))
            x = self.norms[0](x + g * t + (1.0 - g) * s)
        y: torch.Tensor = self.norms[-1](x + self.ffn(x))
        return y


class ReleasedModel(nn.Module):
    """The released model for exactly ``nodes`` nodes.

    Args:
        nodes: N.
        horizon: samples forecast: 8 in the runtime code, 1 in the training script.
        blocks: 8 in the runtime code, 3 in the training script.
        gated: False: the training script's block, without a gate and with three norms.
        heads: 8 in the runtime code, 4 in the training script.
        seed: of the initial weights.
    """

    time: torch.Tensor

    def __init__(
        self, nodes: int, horizon: int = 8, blocks: int = 8, gated: bool = True, heads: int = 8, seed: int = 0
    ) -> None:
        super().__init__()
        width = 32
        self.nodes = nodes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.value = nn.Linear(1, width)
            self.blocks = nn.ModuleList(_Block(width, heads, gated) for _ in range(blocks))
            self.main, self.aux = nn.Linear(width, horizon), nn.Linear(width, horizon)
            self.scale, self.shift = nn.Parameter(torch.tensor(_START)), nn.Parameter(torch.tensor(_START))
            self.temporal, self.structural = nn.Linear(nodes, width), nn.Linear(1, width)
            self.table = nn.Parameter(torch.randn(nodes, width))
            self.head = nn.Sequential(
                Residual(nodes * (1 + width), _MIDDLE), Residual(_MIDDLE, _FEATURE), nn.Linear(_FEATURE, nodes**2)
            )
        self.register_buffer("time", sinusoids(_LONGEST, width), persistent=False)

    def forward(self, history: torch.Tensor, edges: torch.Tensor, schedule_from: str = "main") -> ReleasedPrediction:
        """Both forecasts and the transfers of each forecast sample.

        Args:
            history: [B, N, tau] objects per frame, tau up to 500, latest last.
            edges: bool [N, N]; the released code allows two per node.
            schedule_from: forecast that the transfers are made for: ``"main"`` at inference, ``"aux"`` in training.
        """
        b, n, steps = history.shape
        x = self.value(history.reshape(b * n, steps, 1)) + self.time[:steps]
        for block in self.blocks:
            x = block(x)
        last = x[:, -1].reshape(b, n, -1)
        main, aux = (
            (layer(last) * self.scale + self.shift).transpose(1, 2) for layer in (self.main, self.aux)
        )  # [B, Q, N]
        load = main if schedule_from == "main" else aux
        degree = edges.sum(1, keepdim=True).to(load.dtype)
        place = functional.gelu(self.temporal(load))[:, :, None] + self.structural(degree) + self.table
        features = torch.cat((load[..., None], place), -1).flatten(-2)
        scores = self.head(features).reshape(b, -1, n, n)
        return ReleasedPrediction(main, aux, *released_projection(scores, load, edges))


def released_projection(
    scores: torch.Tensor, load: torch.Tensor, edges: torch.Tensor, capacity: float = CAPACITY
) -> tuple[torch.Tensor, torch.Tensor]:
    """(transfers [..., N, N], loads after them [..., N]) by the released rule, its defects included."""
    surplus, room = (load - capacity).clamp_min(0.0), (capacity - load).clamp_min(0.0)
    allowed = (load > capacity)[..., :, None] & (load < capacity)[..., None, :] & edges
    moved = surplus[..., None] * torch.softmax(scores.masked_fill(~allowed, CLOSED), -1)
    for _ in range(10):
        moved = moved * (room / (moved.sum(-2) + EPSILON)).clamp_max(1.0)[..., None, :]
        moved = moved * (surplus / (moved.sum(-1) + EPSILON)).clamp_max(1.0)[..., None]
    whole = moved.ceil()
    return whole, (load + whole.sum(-2) - whole.sum(-1)).clamp(0.0, capacity)
