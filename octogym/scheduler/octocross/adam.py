"""Adam over many small parameters as one array, so that a step costs its arithmetic and not calls per parameter."""

from __future__ import annotations

from collections.abc import Mapping

from octogym.scheduler.octocross.torch_extra import nn, torch

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class FlatAdam:
    """Adam with decoupled weight decay of matrices (AdamW), and clipping of the gradient's norm.

    The parameters' memory becomes part of `values`, that of their gradients part of `gradient`.

    Args:
        parameters: by name.
        decay: weight decay of those with more than one axis.
        rows: name -> int64 rows: of that parameter these alone are fitted, without decay.

    Attributes:
        values, gradient, first, second: float32 [P], weights, gradient and Adam's moments, in the order of the names.
        steps: done.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        decay: float = 0.0,
        rows: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.parameters = dict(parameters)
        sizes = [x.numel() for x in self.parameters.values()]
        self.values = torch.cat([x.detach().ravel() for x in self.parameters.values()])
        self.gradient, self.first, self.second = (torch.zeros_like(self.values) for _ in range(3))
        self.steps = 0
        kept, decays = [], []
        parts = (array.split(sizes) for array in (self.values, self.gradient))
        for (name, x), value, gradient in zip(self.parameters.items(), *parts, strict=True):
            x.data, x.grad = value.view_as(x), gradient.view_as(x)
            chosen = (rows or {}).get(name)
            mask = torch.full_like(x, float(chosen is None), requires_grad=False)
            if chosen is not None:
                mask[chosen] = 1.0
            kept.append(mask.ravel())
            decays.append(torch.full_like(kept[-1], decay if x.ndim > 1 and chosen is None else 0.0))
        self._mask = torch.cat(kept) if rows else None
        self._decay = torch.cat(decays)

    def named(self, array: torch.Tensor) -> dict[str, torch.Tensor]:
        """Parts of an array like `values` by the parameters' names, flat."""
        sizes = [x.numel() for x in self.parameters.values()]
        return dict(zip(self.parameters, array.split(sizes), strict=True))

    @torch.no_grad()
    def step(self, rate: float, clip: float) -> None:
        """Move the weights by the gradient, which is 0 afterwards.

        Args:
            rate: learning rate. clip: largest norm of the gradient.
        """
        g = self.gradient
        if self._mask is not None:
            g.mul_(self._mask)
        g.mul_((clip / (g.norm() + 1e-6)).clamp_max(1.0))
        self.steps += 1
        self.first.lerp_(g, 1.0 - _BETA1)
        self.second.mul_(_BETA2).addcmul_(g, g, value=1.0 - _BETA2)
        self.values.addcmul_(self.values, self._decay, value=-rate)
        spread = (self.second / (1.0 - _BETA2**self.steps)).sqrt_().add_(_EPSILON)
        self.values.addcdiv_(self.first, spread, value=-rate / (1.0 - _BETA1**self.steps))
        g.zero_()
