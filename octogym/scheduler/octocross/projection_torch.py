"""`projection` over torch, differentiable in scores and loads: for training, and for decisions beside the model."""

from __future__ import annotations

from octogym.scheduler.octocross.config import Limits
from octogym.scheduler.octocross.projection import CLOSED, DECISION_SAMPLES, EPSILON
from octogym.scheduler.octocross.torch_extra import torch


def expected_load(load: torch.Tensor, forecast: torch.Tensor) -> torch.Tensor:
    """See `projection.expected_load`."""
    return torch.maximum(load, forecast[..., :DECISION_SAMPLES].mean(-1))


def project(
    scores: torch.Tensor,
    load: torch.Tensor,
    capacity: torch.Tensor,
    edges: torch.Tensor,
    servers: torch.Tensor | None = None,
    limits: Limits | None = None,
) -> torch.Tensor:
    """Transfers [..., N, N] of the scores' dtype; see `projection.project`. Nothing is rounded, so gradients flow."""
    limits = limits or Limits()
    open_edges = edges & ~torch.eye(load.shape[-1], dtype=torch.bool, device=load.device)
    surplus = (load - capacity).clamp_min(0.0)
    room = limits.beta * (capacity - load).clamp_min(0.0)
    moved = torch.zeros_like(scores)
    most = limits.theta * load[..., :, None]
    if servers is None:
        return _fill(moved, scores, surplus, room, most * open_edges, limits)
    for target in (~servers, servers):
        moved = _fill(moved, scores, surplus, room, most * (open_edges & target[..., None, :]), limits)
    return moved


def shares(moved: torch.Tensor, load: torch.Tensor) -> torch.Tensor:
    """Shares M [..., N, N] of transfers; see `projection.shares`."""
    # Only nodes above their capacity send, so the clamp changes no share; it keeps 0 / 0 out of the gradient.
    sent = moved / load.clamp_min(EPSILON)[..., None]
    eye = torch.eye(moved.shape[-1], dtype=moved.dtype, device=moved.device)
    return sent + eye * (1.0 - sent.sum(-1, keepdim=True))


def _fill(
    moved: torch.Tensor,
    scores: torch.Tensor,
    surplus: torch.Tensor,
    room: torch.Tensor,
    cap: torch.Tensor,
    limits: Limits,
) -> torch.Tensor:
    base = moved
    going = torch.ones((), dtype=torch.bool, device=scores.device)
    for _ in range(limits.rounds):
        left = surplus - moved.sum(-1)
        free = room - moved.sum(-2)
        slack = cap - (moved - base)
        is_open = (slack > EPSILON) & (left > EPSILON)[..., None] & (free > EPSILON)[..., None, :] & going
        if not is_open.any():
            break
        part = torch.softmax(scores.masked_fill(~is_open, CLOSED), -1) * is_open
        offer = torch.minimum(left.clamp_min(0.0)[..., None] * part, slack.clamp_min(0.0))
        fits = (free.clamp_min(0.0) / offer.sum(-2).clamp_min(EPSILON)).clamp_max(1.0)
        added = offer * fits[..., None, :]
        moved = moved + added
        going = going & (added.detach().sum((-1, -2), keepdim=True) >= limits.least_added)
    return moved
