"""torch for this room's models: the one place that says which extra brings it."""

from __future__ import annotations

from octogym.cluster.errors import MissingExtra

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtra("train", "torch") from error

__all__ = ["functional", "nn", "torch"]
