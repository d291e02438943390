"""The encoder's block: attention over nodes, attention over time, a gate between them (OctoCross section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

from octogym.scheduler.octocross.attention import compiles, over_nodes, over_times
from octogym.scheduler.octocross.config import VIEWS, OctoCrossConfig
from octogym.scheduler.octocross.projection import CLOSED
from octogym.scheduler.octocross.torch_extra import functional, nn, torch

#: Less than the views of single precision differ by.
_NEXT = 1e-13


class Neighbourhood(NamedTuple):
    """Whom spatial attention looks at.

    Attributes:
        views: [B, 3, N, K] the views of those pairs.
        closed: [B, 1, N, K] added to the scores: 0, or `CLOSED` for nodes that are not there.
        nodes: int64 [B, N, K], or None: K = N, all.
    """

    views: torch.Tensor
    closed: torch.Tensor
    nodes: torch.Tensor | None


def neighbourhood(views: torch.Tensor, valid: torch.Tensor, config: OctoCrossConfig) -> Neighbourhood:
    """All nodes, or in large clusters each node's `config.neighbours` strongest by the sum of the views, itself first,
    the lower index among equals.

    Args:
        views: [B, 3, N, N], masked.
        valid: [B, N] of 0 and 1.
    """
    nodes = views.shape[-1]
    closed = (1.0 - valid)[:, None, None, :] * CLOSED
    if config.neighbours is None or nodes <= config.dense_nodes:
        return Neighbourhood(views, closed, None)
    # Among equals the lower index: so finely that no other order changes.
    places = torch.arange(nodes, device=views.device)
    strength = views.sum(1).double() + closed[:, 0] - _NEXT * places
    # More than any sum of views: a node always sees itself.
    strength.diagonal(dim1=-2, dim2=-1).fill_(2.0 * len(VIEWS))
    index = strength.topk(min(config.neighbours, nodes), dim=-1).indices
    chosen = views.gather(-1, index[:, None].expand(-1, views.shape[1], -1, -1))
    batch, _, width = index.shape
    there = valid.gather(-1, index.reshape(batch, -1)).reshape(batch, nodes, width)
    return Neighbourhood(chosen, (1.0 - there)[:, None] * CLOSED, index)


class Block(nn.Module):
    """One spatio-temporal attention block on Z [B, N, tau, d].

    Spatial attention runs over the nodes at each time, temporal attention over the times of each node; g = sigmoid of a
    linear layer of both outputs; then residual, norm, feed-forward, residual, norm.
    """

    def __init__(self, config: OctoCrossConfig) -> None:
        super().__init__()
        d, self.heads = config.width, config.heads
        self.spatial = nn.Linear(d, 3 * d)
        self.spatial_out = nn.Linear(d, d)
        self.temporal = nn.Linear(d, 3 * d)
        self.temporal_out = nn.Linear(d, d)
        self.view_bias = nn.Linear(len(VIEWS), config.heads, bias=False)
        self.gate = nn.Linear(2 * d, d)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.widen, self.narrow = nn.Linear(d, config.ffn * d), nn.Linear(config.ffn * d, d)

    def forward(
        self, z: torch.Tensor, around: Neighbourhood, valid: torch.Tensor, last_only: bool = False
    ) -> torch.Tensor:
        """The next Z; with ``last_only`` its last time alone, [B, N, 1, d], which is all that the decoder reads."""
        here = z[:, :, -1:] if last_only else z
        s = self.spatial_out(self._over_nodes(here, around))
        t = self.temporal_out(self._over_time(z, here))
        gate = torch.sigmoid(self.gate(torch.cat((t, s), -1)))
        x = self.norm1(here + gate * t + (1.0 - gate) * s)
        x = self.norm2(x + self.narrow(torch.relu(self.widen(x))))
        return x * valid[:, :, None, None]

    def _over_time(self, z: torch.Tensor, here: torch.Tensor) -> torch.Tensor:
        b, n, steps, d = here.shape
        split = (b * n, -1, self.heads, d // self.heads)
        if here is z and compiles(z):
            return over_times(self.temporal(z), self.heads)
        if here is z:
            q, k, v = (x.reshape(split).transpose(1, 2) for x in self.temporal(z).chunk(3, -1))
        else:
            weight, bias = self.temporal.weight, self.temporal.bias
            q = functional.linear(here, weight[:d], bias[:d]).reshape(split).transpose(1, 2)
            k, v = (x.reshape(split).transpose(1, 2) for x in functional.linear(z, weight[d:], bias[d:]).chunk(2, -1))
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, steps, d)

    def _over_nodes(self, z: torch.Tensor, around: Neighbourhood) -> torch.Tensor:
        b, n, steps, d = z.shape
        bias = self.view_bias(around.views.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) + around.closed
        if around.nodes is None and compiles(z):
            return over_nodes(self.spatial(z), bias, self.heads)
        q, k, v = self.spatial(z).chunk(3, -1)
        if around.nodes is not None:
            return self._over_neighbours(q, k, v, bias, around.nodes)
        split = (b, n, steps, self.heads, d // self.heads)
        # [B tau h, N, d/h]: written out, since torch's fused attention is slower with so few channels per head.
        q, k, v = (x.reshape(split).permute(0, 2, 3, 1, 4).reshape(-1, n, d // self.heads) for x in (q, k, v))
        scores = torch.bmm(q * (d // self.heads) ** -0.5, k.transpose(-1, -2))
        scores.view(b, steps, self.heads, n, n).add_(bias[:, None])
        out = torch.bmm(torch.softmax(scores, -1), v).reshape(b, steps, self.heads, n, -1)
        return out.permute(0, 3, 1, 2, 4).reshape(b, n, steps, d)

    def _over_neighbours(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """Neighbour by neighbour, so that no array is larger than Z itself but the scores, [K, B N, heads, tau]."""
        b, n, steps, d = q.shape
        split = (b * n, steps, self.heads, d // self.heads)
        # Time innermost: sums over a head's few channels then run along long rows.
        q, k, v = (x.reshape(split).permute(0, 2, 3, 1).contiguous() for x in (q, k, v))
        rows = (index + n * torch.arange(b, device=index.device)[:, None, None]).reshape(b * n, -1).T
        bias = bias.permute(3, 0, 2, 1).reshape(-1, b * n, self.heads, 1)
        q = q * (d // self.heads) ** -0.5
        scores = torch.stack([(q * k.index_select(0, row)).sum(2) for row in rows])
        part = torch.softmax(scores + bias, 0)
        out = torch.zeros_like(q)
        for j, row in enumerate(rows):
            out = torch.addcmul(out, part[j][:, :, None], v.index_select(0, row))
        return out.permute(0, 3, 1, 2).reshape(b, n, steps, d)
