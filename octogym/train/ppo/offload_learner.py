"""The algorithm of the learned offloader: what is drawn, advantages, losses and the critic, with torch.

MAPPO (Yu et al., arXiv 2103.01955): PPO (Schulman et al., arXiv 1707.06347) of one actor that all agents share, with
the advantage of the team's reward from a critic that sees the observations of all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from octogym.agents.ppo import offload_network as network
from octogym.agents.ppo.network import Parameters, orthogonal
from octogym.train.gae import advantages
from octogym.train.ppo.updates import Updates

#: Units of the critic's last hidden layer.
CRITIC = 128
#: Seconds over which `gamma` discounts.
GAMMA_S = 15.0


class Rollout:
    """What `count` steps of E clusters with N agents of T targets gave, the team's reward in each, and its seconds.
    Observations and presence have one row more, the last state."""

    def __init__(self, count: int, num_envs: int, agents: int, targets: int, width: int) -> None:
        E, N = num_envs, agents
        self.observation = np.zeros((count + 1, E, N, width), np.float32)
        self.present = np.zeros((count + 1, E, N), bool)
        self.drawn = np.zeros((count, E, N, targets), np.float32)
        self.reward = np.zeros((count, E), np.float32)
        self.window_s = np.zeros((count, E))


class Learner(Updates):
    """Actor, critic and optimiser of one run.

    Args:
        config: a `octogym.train.ppo.offload_training.OffloadPpoConfig`.
        kinds: int [T], the targets' kinds (`offload_network.kinds_of`).
    """

    def __init__(self, config: Any, kinds: np.ndarray) -> None:
        self.kinds = kinds
        generator = np.random.default_rng([config.seed, 1])
        actor = network.initial(config.history, generator)
        actor["kind4"][network.OWN] = config.own
        critic = _critic(config.history, generator)
        # The logarithm of the deviation with which scores are drawn.
        drawn = {"spread": np.full(network.KINDS, np.log(config.spread), np.float32)}
        super().__init__(config, {"actor": actor, "critic": critic, "drawn": drawn})
        self._kinds = self._torch.from_numpy(kinds)
        # Shares the tensor's memory, as `_acting` does.
        self.spread = self.parts["drawn"]["spread"]
        self._spread = self.spread.detach().numpy()

    # --- acting -----------------------------------------------------------------------------------------------------
    def draw(self, observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Scores float32 [..., T], normally distributed around the actor's; their softmax are the shares."""
        own, target, there = network.inputs(observation, self.config.history)
        score = network.scores(self._acting, own, target, there, self.kinds)
        noise = generator.standard_normal(score.shape, np.float32)
        return np.where(there, score + np.exp(self._spread)[self.kinds] * noise, network.NEVER)

    # --- learning ---------------------------------------------------------------------------------------------------
    def learn(self, rollout: Rollout, done: float, draw: tuple[int, ...]) -> dict[str, float]:
        """Update on one rollout; returns mean losses.

        Args:
            done: how much of the run is over, 0 to 1; `draw`: what the order of the minibatches is drawn from.
        """
        torch, config = self._torch, self.config
        seen = tuple(torch.from_numpy(x) for x in network.inputs(rollout.observation, config.history))
        present, drawn = torch.from_numpy(rollout.present), torch.from_numpy(rollout.drawn)
        with torch.no_grad():
            value = self.values(seen, present).numpy()
            seen = tuple(x[:-1] for x in seen)
            before, _ = self.log_chances(seen, drawn)
        # Values are those of the reward times (1 - gamma), so that they are of the size of one step's reward.
        gamma = config.gamma ** (rollout.window_s / GAMMA_S)
        gain = advantages(rollout.reward * np.float32(1 - config.gamma), value, gamma, config.lam)
        target = gain + value[:-1]
        if config.same_load:
            # What all clusters gained at a moment is the load's doing, not the decisions'.
            gain = gain - gain.mean(1, keepdims=True)
        data = (*seen, present[:-1], drawn, before, torch.from_numpy(gain), torch.from_numpy(target))
        return self.passes(data, done, draw)

    def log_chances(self, seen: tuple[Any, ...], drawn: Any) -> tuple[Any, Any]:
        """log of the density of drawn scores, and entropy up to a constant, tensors [...], summed over the targets
        that are there; `seen`: `offload_network.inputs` [..., T]."""
        p, torch = self.parts["actor"], self._torch
        _, target, there = seen
        context = self._agents(p, seen)
        x = (context @ p["context"])[..., None, :] + target @ p["target"] + p["kind3"][self._kinds]
        score = (torch.tanh(x) @ p["score"])[..., 0] + p["kind4"][self._kinds]
        spread = self.spread[self._kinds] * there
        off = (drawn - score) * there * (-spread).exp()
        return -(0.5 * off * off + spread).sum(-1), spread.sum(-1)

    def values(self, seen: tuple[Any, ...], present: Any) -> Any:
        """The team's value, tensor [...], of the inputs [..., N, T] of all agents, and which are `present` [..., N]."""
        p, torch = self.parts["critic"], self._torch
        each = self._agents(p, seen) * present[..., None]
        mean = each.sum(-2) / present.sum(-1, keepdim=True).clamp(min=1)
        return (torch.tanh(mean @ p["w3"] + p["b3"]) @ p["w4"] + p["b4"])[..., 0]

    def _agents(self, p: dict[str, Any], seen: tuple[Any, ...]) -> Any:
        """What an agent makes of itself and all its targets, tensor [..., HIDDEN]."""
        torch, (own, target, there) = self._torch, seen
        each = torch.tanh(target @ p["pool"] + p["kind1"][self._kinds]) * there[..., None]
        mean = each.sum(-2) / there.sum(-1, keepdim=True)
        return torch.tanh(own @ p["self"] + mean @ p["mean"] + p["b2"])

    def descend(self, *samples: Any) -> dict[str, float]:
        own, target, there, present, drawn, before, gain, reached = samples
        seen = (own, target, there)
        chance, entropy = self.log_chances(seen, drawn)
        value = self.values(seen, present)
        gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-8)
        # Agents whose device is away decide nothing; a mean over nobody would be no number.
        count = present.sum().clamp(min=1)
        ratio = self._torch.where(present, chance - before, self._torch.zeros_like(chance)).exp()
        policy = -(self.clipped(ratio, gain[:, None]) * present).sum() / count
        regression = (value - reached).pow(2).mean()
        return self.step(policy, regression, (entropy * present).sum() / count)


def _critic(history: int, generator: np.random.Generator) -> Parameters:
    """Fresh weights: each agent as the actor sees it, the mean over agents, a hidden layer."""
    shapes = network.shapes(history)
    weights = {name: orthogonal(shapes[name], 1.0, generator) for name in ("pool", "self", "mean")}
    weights["w3"] = orthogonal((network.HIDDEN, CRITIC), 1.0, generator)
    weights["w4"] = orthogonal((CRITIC, 1), 1.0, generator)
    sizes = {"kind1": shapes["kind1"], "b2": shapes["b2"], "b3": (CRITIC,), "b4": (1,)}
    return {**weights, **{name: np.zeros(shape, np.float32) for name, shape in sizes.items()}}
