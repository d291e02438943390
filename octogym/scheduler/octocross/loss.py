"""OctoCross's training loss, with transfers that are not rounded.

The released code rounds transfers up before it measures them, which stops every gradient on its way to the offloading
head: that head is never trained. Here the shares are applied to the true next loads as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from octogym.scheduler.octocross.config import LEAST_CAPACITY, Limits
from octogym.scheduler.octocross.model import Prediction
from octogym.scheduler.octocross.projection import EPSILON
from octogym.scheduler.octocross.projection_torch import expected_load, project, shares
from octogym.scheduler.octocross.torch_extra import torch


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; the first four are the released code's, the last two ours."""

    forecast: float = 2.0
    overload: float = 1.0
    label: float = 1.0
    smooth: float = 0.5
    move: float = 0.05
    shares: float = 0.5


class Targets(NamedTuple):
    """What became of a batch of windows: B windows, N nodes, Q samples.

    Attributes:
        load: [B, N, Q] true next loads, objects per frame.
        label: [B, N, Q] loads after ideal rebalancing (`labels.balanced_loads`), or None.
        shares: [B, N, N] target shares (`labels.share_labels`), or None.
        known: bool [B, N, Q]: samples of ``load`` that the forecast is measured by; None: all of nodes that are there.
    """

    load: torch.Tensor
    label: torch.Tensor | None = None
    shares: torch.Tensor | None = None
    known: torch.Tensor | None = None


class Situation(NamedTuple):
    """In what the decision is taken.

    Attributes:
        load: [B, N] objects per frame now.
        capacity: [B, N] objects per frame.
        edges: bool [B, N, N]: who may send to whom; False for missing nodes.
        valid: bool [B, N]: nodes that are there. Loads of the others may be anything, in `Targets` too.
        servers: bool [B, N].
        cost: [B, N, N] in [0, 1], what moving one object costs, for example 1 - the network view.
    """

    load: torch.Tensor
    capacity: torch.Tensor
    edges: torch.Tensor
    valid: torch.Tensor
    servers: torch.Tensor
    cost: torch.Tensor


class Losses(NamedTuple):
    """Scalars; `total` is the weighted sum of the others, which are unweighted."""

    total: torch.Tensor
    forecast: torch.Tensor
    overload: torch.Tensor
    label: torch.Tensor
    smooth: torch.Tensor
    move: torch.Tensor
    shares: torch.Tensor


def decide(
    prediction: Prediction, situation: Situation, limits: Limits | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(transfers, shares), both [B, N, N], that a prediction leads to; differentiable."""
    load = expected_load(_there(situation.load, situation.valid), prediction.forecast)
    moved = project(prediction.scores, load, situation.capacity, situation.edges, situation.servers, limits)
    return moved, shares(moved, load)


def losses(
    prediction: Prediction,
    situation: Situation,
    targets: Targets,
    weights: LossWeights | None = None,
    limits: Limits | None = None,
) -> Losses:
    """Terms of the loss, all relative to the nodes' capacities, means over nodes that are there (and samples).

    forecast: squared error (servers have no forecast of their own and do not count). overload: what exceeds capacity
    after the shares are applied to the true next loads. label: squared distance of those loads from the balanced ones.
    smooth: squared change between consecutive forecasts. move: transfers times cost, per load. shares: cross-entropy
    with target shares, over the nodes that ought to send.
    """
    weights = weights or LossWeights()
    moved, matrix = decide(prediction, situation, limits)
    capacity = situation.capacity.clamp_min(LEAST_CAPACITY)[..., None]
    here = situation.valid.to(moved.dtype)[..., None]
    camera = here * (~situation.servers).to(moved.dtype)[..., None]
    true = _there(targets.load, situation.valid)
    after = torch.einsum("bnq,bnm->bmq", true, matrix)
    zero = moved.new_zeros(())

    counts = camera if targets.known is None else camera * targets.known.to(moved.dtype)
    forecast = _mean(((prediction.forecast - true) / capacity) ** 2, counts)
    overload = _mean((after / capacity - 1.0).clamp_min(0.0), here)
    label = zero
    if targets.label is not None:
        label = _mean(((after - _there(targets.label, situation.valid)) / capacity) ** 2, here)
    smooth = _mean((prediction.forecast.diff(dim=-1) / capacity) ** 2, camera) if true.shape[-1] > 1 else zero
    move = (moved * situation.cost).sum() / _there(situation.load, situation.valid).sum().clamp_min(EPSILON)
    agreement = zero
    if targets.shares is not None:
        stays = targets.shares.diagonal(dim1=-2, dim2=-1)
        sends = here * (stays < 1.0 - EPSILON).to(moved.dtype)[..., None]
        agreement = _mean(-(targets.shares * (matrix + EPSILON).log()).sum(-1, keepdim=True), sends)
    total = (
        weights.forecast * forecast
        + weights.overload * overload
        + weights.label * label
        + weights.smooth * smooth
        + weights.move * move
        + weights.shares * agreement
    )
    return Losses(total, forecast, overload, label, smooth, move, agreement)


def _there(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Values [B, N] or [B, N, Q], 0 for nodes that are not there, whatever stood for them."""
    return torch.where(valid if values.ndim == 2 else valid[..., None], values, 0.0)


def _mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of [B, N, Q] over the entries of weight 1, [B, N, 1] or [B, N, Q]."""
    return (values * weight).sum() / weight.expand_as(values).sum().clamp_min(1.0)
