"""The iAgent over torch's autograd and AdamW: the twin for research, with the surface of `onboard.IAgentStack`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octogym.agents.onboard.adamw import AdamW
from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.iagent import Gradient, IAgentStack
from octogym.agents.onboard.layout import Layout
from octogym.agents.onboard.loss import LEAST_RATIO, LOG_EPS, RELEASED_SCALE, Batch, Losses
from octogym.agents.onboard.network import NORM_EPS
from octogym.cluster.errors import MissingExtra

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise MissingExtra("train", "torch") from error


def forward(
    parameters: Mapping[str, torch.Tensor], state: torch.Tensor, layout: Layout
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """(probabilities of each head [n, T, width], values [n, T]) of observations [n, T, 8]."""

    def linear(x: torch.Tensor, name: str, w: str = ".w", b: str = ".b") -> torch.Tensor:
        return torch.baddbmm(parameters[name + b].unsqueeze(1), x, parameters[name + w])

    x = torch.relu(linear(state, "backbone", ".w1", ".b1"))
    x = torch.relu(linear(x, "backbone", ".w2", ".b2"))
    if layout.reduced:
        return [torch.softmax(linear(x, "joint"), -1)], linear(x, "value")[..., 0]
    x = functional.layer_norm(x, x.shape[-1:], eps=NORM_EPS)
    x = x * parameters["backbone.gain"].unsqueeze(1) + parameters["backbone.shift"].unsqueeze(1)
    first = torch.softmax(linear(x, "resolution"), -1)
    z = torch.cat([x, first], -1)
    heads = [first, torch.softmax(linear(z, "batch"), -1), torch.softmax(linear(z, "threads"), -1)]
    return heads, linear(x, "value")[..., 0]


def losses(
    heads: Sequence[torch.Tensor], value: torch.Tensor, batch: Batch, config: IAgentConfig, layout: Layout
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(policy, value, penalty, entropy) losses [n] of outputs on a batch; see `onboard.loss`."""
    weight, reward, advantage = (torch.from_numpy(a) for a in (batch.weight, batch.reward, batch.advantage))
    columns = torch.from_numpy(batch.columns)
    released = config.loss == "released"
    logp = torch.zeros_like(value)
    for k, p in enumerate(heads):
        q = torch.softmax(p, -1) if released else p
        index = columns[..., k : k + 1] - layout.offsets[k]
        # Padding has no action; any column will do under its weight of 0.
        logp = logp + torch.log(q.gather(-1, index.clamp(0, p.shape[-1] - 1))[..., 0] + LOG_EPS)
    ratio = torch.exp(logp - torch.from_numpy(batch.logp))
    clipped = ratio.clamp(max(1 - config.clip, LEAST_RATIO), 1 + config.clip)
    surrogate = torch.minimum(ratio * advantage, clipped * advantage)
    factor = torch.exp(-reward) if config.reward_factor else torch.ones_like(reward)
    if released:
        pull = torch.minimum(RELEASED_SCALE / ratio * factor, RELEASED_SCALE / clipped * factor)
        policy = RELEASED_SCALE * (weight * (pull - surrogate)).sum(-1)
        penalty = (weight * torch.from_numpy(batch.cost)).sum(-1)
    else:
        policy = -(weight * factor * surrogate).sum(-1)
        p = torch.cat(list(heads), -1)
        penalty = (weight * (p @ torch.from_numpy(layout.costs().astype(np.float32)))).sum(-1)
    value_loss = (weight * (value - torch.from_numpy(batch.returns)) ** 2).sum(-1)
    entropy = -(weight * sum((p * torch.log(p + LOG_EPS)).sum(-1) for p in heads)).sum(-1)
    return policy, value_loss, penalty, entropy


class TorchAdamW(AdamW):
    """torch.optim.AdamW on the same memory as the NumPy parameters and moments, one optimiser per agent."""

    def __init__(self, layout: Layout, n: int, config: IAgentConfig, flat: np.ndarray) -> None:
        super().__init__(layout, n, config)
        self._optimisers = []
        self._leaves: list[dict[str, torch.Tensor]] = []
        views = [layout.views(array) for array in (flat, self.first, self.second)]
        for i in range(n):
            leaves, first, second = ({name: torch.from_numpy(v[i]) for name, v in part.items()} for part in views)
            optimiser = torch.optim.AdamW(
                list(leaves.values()),
                lr=config.lr,
                betas=config.betas,
                eps=config.eps,
                weight_decay=config.weight_decay,
                foreach=False,
            )
            for k, (name, leaf) in enumerate(leaves.items()):
                optimiser.state[leaf] = {
                    "step": torch.from_numpy(self.steps[i, k : k + 1]).squeeze(0),
                    "exp_avg": first[name],
                    "exp_avg_sq": second[name],
                }
            self._optimisers.append(optimiser)
            self._leaves.append(leaves)

    def step(self, flat: np.ndarray, grad: np.ndarray, agents: np.ndarray, names: Sequence[str] | None = None) -> None:
        grads = self._layout.views(grad)
        for row, i in enumerate(agents):
            for name, leaf in self._leaves[i].items():
                leaf.grad = torch.from_numpy(grads[name][row]) if names is None or name in names else None
            self._optimisers[i].step()


class TorchIAgentStack(IAgentStack):
    """`IAgentStack` whose forward pass, gradients and optimiser are torch's; on the CPU.

    Decisions, buffers and states are the same, so a state of one goes on in the other.
    """

    def _begin_learning(self) -> None:
        super()._begin_learning()
        self._adamw = TorchAdamW(self.layout, self.n, self.config, self._flat)

    def _infer(self, observation: np.ndarray) -> None:
        network = self._network
        network.state[:] = observation
        with torch.no_grad():
            parameters = {name: torch.from_numpy(array) for name, array in self.parameters.items()}
            state = torch.from_numpy(np.ascontiguousarray(network.state))
            heads, value = forward(parameters, state, self.layout)
        network.p[:] = torch.cat(heads, -1).numpy()
        network.value[:] = value.numpy()

    def _evaluate(self, agents: np.ndarray, batch: Batch, policy_only: bool = False) -> tuple[Losses, Gradient]:
        config, layout = self.config, self.layout
        leaves = {}
        for name, array in self.parameters.items():
            leaves[name] = torch.from_numpy(array[agents]).requires_grad_(not policy_only or name in layout.head_names)
        heads, value = forward(leaves, torch.from_numpy(batch.state), layout)
        policy, value_loss, penalty, entropy = losses(heads, value, batch, config, layout)
        total = policy
        if not policy_only:
            total = policy + config.value_weight * value_loss + config.penalty * penalty - config.entropy * entropy

        def gradient() -> np.ndarray:
            total.sum().backward()
            grad = np.zeros((len(agents), layout.size), np.float32)
            views = layout.views(grad)
            for row in range(len(agents)):
                held = {name: leaf[row].detach() for name, leaf in leaves.items() if leaf.grad is not None}
                for name, one in held.items():
                    whole = leaves[name].grad
                    assert whole is not None
                    one.grad = whole[row].clone()
                if config.max_grad_norm is not None:
                    torch.nn.utils.clip_grad_norm_(list(held.values()), config.max_grad_norm)
                for name, one in held.items():
                    assert one.grad is not None
                    views[name][row] = one.grad.numpy()
            return grad

        parts = (part.detach().numpy().astype(np.float64) for part in (total, policy, value_loss, penalty, entropy))
        return Losses(*parts), gradient
