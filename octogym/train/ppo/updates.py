"""What every learner with PPO does alike: weights and their optimiser, passes over a rollout, the clipped step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from octogym.agents.ppo.network import Parameters
from octogym.cluster.tensor_file import check_arrays
from octogym.train.checkpoint import join_names, split_names
from octogym.train.torch_extra import adam_arrays, import_torch, load_adam


class Updates:
    """Weights that are learned and some that are fixed, as one run's state.

    Args:
        config: with `lr`, `anneal`, `epochs`, `minibatches`, `clip`, `value_weight`, `entropy`, `max_grad_norm`.
        learned: arrays by part ("actor", "critic", ...) and name. `fixed`: what the actor needs besides.
    """

    def __init__(
        self, config: Any, learned: Mapping[str, Parameters], fixed: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self._torch = torch = import_torch()
        self.config = config
        self.parts: dict[str, dict[str, Any]] = {
            part: {name: torch.from_numpy(array).requires_grad_() for name, array in arrays.items()}
            for part, arrays in learned.items()
        }
        self._fixed = {name: torch.from_numpy(array) for name, array in (fixed or {}).items()}
        self._named: dict[str, Any] = {f"{part}/{name}": x for part, p in self.parts.items() for name, x in p.items()}
        self._weights = [self._named[name] for name in sorted(self._named)]
        self._optimiser = torch.optim.Adam(self._weights, config.lr, eps=1e-5)
        # Shares the tensors' memory: what learning changes, acting sees.
        self._acting = {name: x.detach().numpy() for name, x in {**self._fixed, **self.parts["actor"]}.items()}

    def passes(self, data: Sequence[Any], done: float, draw: tuple[int, ...]) -> dict[str, float]:
        """Learn from `data`, tensors [steps, clusters, ...]; returns mean losses.

        A sample is one cluster in one step with all its agents: a central critic looks at them together.

        Args:
            done: how much of the run is over, 0 to 1; `draw`: what the order of the minibatches is drawn from.
        """
        torch, config = self._torch, self.config
        flat = [x.reshape(-1, *x.shape[2:]) for x in data]
        for group in self._optimiser.param_groups:
            group["lr"] = config.lr * (1 - done if config.anneal else 1.0)
        losses = []
        for epoch in range(config.epochs):
            order = torch.from_numpy(np.random.default_rng([*draw, epoch]).permutation(len(flat[0])))
            losses += [self.descend(*(x[chosen] for x in flat)) for chosen in order.chunk(config.minibatches)]
        return {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}

    def descend(self, *samples: Any) -> dict[str, float]:
        """One step of the optimiser on a minibatch, the tensors of `passes`; returns its losses."""
        raise NotImplementedError

    def clipped(self, ratio: Any, gain: Any) -> Any:
        """The surrogate objective of each sample (Schulman et al., arXiv 1707.06347, Eq. 7)."""
        clip = self.config.clip
        return self._torch.min(gain * ratio, gain * ratio.clamp(1 - clip, 1 + clip))

    def step(self, policy: Any, regression: Any, entropy: Any) -> dict[str, float]:
        """Against the gradient of the three mean losses, weighted; returns them."""
        config = self.config
        loss = policy + config.value_weight * regression - config.entropy * entropy
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._torch.nn.utils.clip_grad_norm_(self._weights, config.max_grad_norm)
        self._optimiser.step()
        return {"loss/policy": policy.item(), "loss/value": regression.item(), "entropy/mean": entropy.item()}

    # --- keeping ----------------------------------------------------------------------------------------------------
    def actor_arrays(self) -> Parameters:
        """Copies of what acts."""
        return {name: array.copy() for name, array in self._acting.items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that later updates depend on, copies."""
        weights = {name: x.detach().numpy().copy() for name, x in self._named.items()}
        fixed = {name: x.numpy().copy() for name, x in self._fixed.items()}
        return {**weights, **join_names(fixed=fixed, adam=adam_arrays(self._optimiser, self._named))}

    def load(self, file: Any, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`'s arrays.

        Raises:
            TensorFileError: missing, foreign or misshapen arrays, naming `file`.
        """
        torch = self._torch
        check_arrays(file, state, {name: array.shape for name, array in self.state_dict().items()})
        with torch.no_grad():
            for name, x in self._named.items():
                x.copy_(torch.from_numpy(state[name]))
            for name, x in self._fixed.items():
                x.copy_(torch.from_numpy(state[f"fixed/{name}"]))
        load_adam(torch, self._optimiser, self._named, split_names(state, "adam"))
