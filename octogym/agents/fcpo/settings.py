"""What FCPO's agents are set to: the published constants, and the switches of `fcpo-plus`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from octogym.agents.errors import PolicyError
from octogym.agents.onboard import IAgentConfig

_CHOICES = {"batch": ("size", "fill"), "observation": ("published", "scaled"), "reward": ("published", "on-time")}


@dataclass(frozen=True)
class FcpoSettings:
    """Constants of a system of iAgents; the defaults are FCPO's, the switches are ours (docs/fcpo.md).

    Args:
        iagent: of each agent's learning.
        batch: what the batch head chooses: a size ("size"), or how long a batch may take to fill ("fill"): the choice
            k of B stands for the requests that arrive in (k + 1) / B x `longest_fill` of the SLO.
        observation: "published" (paper, section IV-B), or "scaled" (`octogym.agents.fcpo.signals`).
        reward: what agents learn from: "published" (Eq. 1), or "on-time" (`octogym.agents.fcpo.signals`), with
            `latency_weight` and `price`.
        deployed_lr: learning rate of agents that start from a checkpoint and learn on; None: the same as in training.

    Raises:
        PolicyError: a value that is not allowed.
    """

    iagent: IAgentConfig = field(default_factory=IAgentConfig)
    batch: str = "size"
    longest_fill: float = 0.7
    observation: str = "published"
    reward: str = "published"
    latency_weight: float = 0.5
    price: float = 4.0
    deployed_lr: float | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise PolicyError(f"FCPO: {name} = {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        for name in ("longest_fill", "latency_weight", "price"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise PolicyError(f"FCPO: {name} = {value!r}; allowed: a finite number from 0")
        if self.deployed_lr is not None and not 0 <= self.deployed_lr <= 1:
            raise PolicyError(f"FCPO: deployed_lr = {self.deployed_lr!r}; allowed: none, or a number from 0 to 1")

    @classmethod
    def plus(cls) -> FcpoSettings:
        """The settings of `fcpo-plus`; benchmarks/fcpo/plus.py justifies each."""
        iagent = IAgentConfig(advantage="normalised", epochs=4, lr=1.5e-3, steps_growth=0)
        return cls(iagent, batch="fill", observation="scaled", reward="on-time", deployed_lr=3e-4)

    def deployed(self) -> FcpoSettings:
        """The settings of agents that learn on from a checkpoint."""
        if self.deployed_lr is None:
            return self
        return replace(self, iagent=replace(self.iagent, lr=self.deployed_lr))

    def as_plain(self) -> dict[str, Any]:
        """Plain values for a file's header; `from_plain` takes them."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> FcpoSettings:
        """Settings from `as_plain`.

        Raises:
            KeyError, TypeError: names that are unknown, or no `iagent`.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise KeyError(f"settings {sorted(unknown)}")
        iagent = dict(values["iagent"])
        iagent["betas"] = tuple(iagent["betas"])
        return cls(**{**values, "iagent": IAgentConfig(**iagent)})
