"""Every constant of an iAgent. The defaults are FCPO's (Table II and the published configuration)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Optional, Tuple

from octogym.agents.onboard.errors import IAgentError

_CHOICES = {
    "loss": ("paper", "released"),
    "variant": ("fcpo", "reduced"),
    "replace": ("oldest", "least-diverse"),
    "advantage": ("plain", "normalised"),
}
#: Least and most allowed, both included.
_RANGES = {
    "lr": (0.0, 1.0),
    "eps": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "gamma": (0.0, 1.0),
    "lam": (0.0, 1.0),
    "clip": (0.0, 1.0),
    "penalty": (0.0, math.inf),
    "gate": (0.0, math.inf),
    "alpha": (0.0, math.inf),
    "beta": (0.0, math.inf),
    "threshold": (-math.inf, math.inf),
    "entropy": (0.0, math.inf),
    "value_weight": (0.0, math.inf),
}
_SWITCHES = ("reward_factor",)
_COUNTS = {
    "capacity": 2,
    "steps": 1,
    "steps_growth": 0,
    "steps_max": 1,
    "fine_tune_steps": 0,
    "epochs": 1,
}


@dataclass(frozen=True)
class IAgentConfig:
    """Constants of learning; the names are the paper's where it has them.

    `loss="paper"` is the loss as the paper describes it (exp(-r) as a factor, differentiable penalty),
    `"released"` the one of the authors' published code, second softmax and penalty without gradient included.
    `variant="reduced"` is the ablation with one joint head and no LayerNorm. `gate`: an update whose |loss| is
    below it is skipped. `capacity`, `alpha`, `beta`, `threshold`, `replace`: the diversity buffer (Eq. 6).
    `steps`: windows per episode, growing by `steps_growth` with each federated round up to `steps_max`.
    The last block changes FCPO; its defaults leave it as published.

    Raises:
        IAgentError: a value out of range; names the field and what is allowed.
    """

    lr: float = 1e-3
    betas: Tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    gamma: float = 0.1
    lam: float = 0.1
    clip: float = 0.9
    penalty: float = 0.2
    loss: str = "paper"
    variant: str = "fcpo"
    gate: float = 0.0
    capacity: int = 64
    alpha: float = 0.5
    beta: float = 0.5
    threshold: float = 0.5
    replace: str = "oldest"
    steps: int = 100
    steps_growth: int = 10
    steps_max: int = 300
    fine_tune_steps: int = 1

    advantage: str = "plain"
    entropy: float = 0.0
    epochs: int = 1
    value_weight: float = 1.0
    reward_factor: bool = True
    max_grad_norm: Optional[float] = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                self._refuse(name, "one of " + ", ".join(allowed))
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not _number(value) or not low <= value <= high or math.isinf(value):
                self._refuse(name, f"a finite number from {low:g} to {high:g}")
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                self._refuse(name, f"an integer of at least {least}")
        betas = self.betas
        if not isinstance(betas, tuple) or len(betas) != 2 or not all(_number(b) and 0 <= b < 1 for b in betas):
            self._refuse("betas", "two numbers from 0 to below 1")
        if self.steps_max < self.steps:
            self._refuse("steps_max", f"at least steps = {self.steps}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                self._refuse(name, "true or false")
        norm = self.max_grad_norm
        if norm is not None and (not _number(norm) or not 0 < norm < math.inf):
            self._refuse("max_grad_norm", "none or a finite number above 0")

    def _refuse(self, name: str, allowed: str) -> None:
        raise IAgentError(f"IAgentConfig.{name} = {getattr(self, name)!r}: expected {allowed}")

    @classmethod
    def names(cls) -> Tuple[str, ...]:
        """Names of all fields."""
        return tuple(field.name for field in fields(cls))


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
