"""The algorithm of IPPO and MAPPO: advantages, losses and the critic, with torch.

PPO as in Schulman et al. (arXiv 1707.06347); independent learners with shared weights (IPPO, de Witt et al., arXiv
2011.09533) or with a critic that sees the whole cluster (MAPPO, Yu et al., arXiv 2103.01955). Epochs, entropy, gradient
clipping and normalised advantages as in the IPPO variant of FCPO's repository.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from octogym.agents.ppo import network
from octogym.cluster.observation import OBSERVATION
from octogym.train.gae import advantages
from octogym.train.ppo.updates import Updates

#: Units of the central critic's hidden layers.
CENTRAL = 128
#: A value that hardly varied is not blown up to unit variance.
LEAST_DEVIATION = 0.02


class Rollout:
    """What T windows of E clusters with S agents gave; observations and presence have one row more, the last state."""

    def __init__(self, count: int, num_envs: int, agents: int) -> None:
        shape = (num_envs, agents)
        self.observation = np.zeros((count + 1, *shape, OBSERVATION), np.float32)
        self.present = np.zeros((count + 1, *shape), bool)
        self.action = np.zeros((count, *shape, 3), np.int64)
        self.reward = np.zeros((count, *shape), np.float32)


class Learner(Updates):
    """Actor, critic and optimiser of one run.

    Args:
        config: a `octogym.train.ppo.training.PpoConfig`.
        kind: int [S], each agent's kind; `sizes` int64 [S, 3], its head sizes; `heads`, the largest.
    """

    def __init__(self, config: Any, kind: np.ndarray, sizes: np.ndarray, kinds: int, heads: tuple[int, ...]) -> None:
        self.kind, self.sizes, self.kinds, self.heads = kind, sizes, kinds, heads
        self.mask = network.head_mask(sizes, heads)
        generator = np.random.default_rng([config.seed, 1])
        actor = network.initial(kinds, heads, generator)
        critic = _critic(len(kind), kinds, config.method == "mappo", generator)
        fixed = {name: actor.pop(name) for name in ("mean", "scale")}
        super().__init__(config, {"actor": actor, "critic": critic}, fixed)
        torch = self._torch
        self._kind, self._mask = torch.from_numpy(kind), torch.from_numpy(self.mask)
        self._normalised = False

    # --- acting -----------------------------------------------------------------------------------------------------
    def act(self, observation: np.ndarray, u: np.ndarray | None) -> np.ndarray:
        """int64 [E, S, 3] for observations [E, S, 8] and uniform draws [E, S, 3] (None: the likeliest); what the
        policy would choose."""
        chances = network.probabilities(self._acting, observation, self.kind, self.mask, self.heads)
        return network.choose(chances, u, self.sizes)

    # --- learning ---------------------------------------------------------------------------------------------------
    def learn(self, rollout: Rollout, done: float, draw: tuple[int, ...]) -> dict[str, float]:
        """Update on one rollout; returns mean losses.

        Args:
            done: how much of the run is over, 0 to 1; `draw`: what the order of the minibatches is drawn from.

        The very first rollout (of nearly uniform actions) only says how observations are normalised.
        """
        torch, config = self._torch, self.config
        if not self._normalised:
            self._normalise(rollout.observation)
            return {"loss/policy": 0.0, "loss/value": 0.0, "entropy/mean": 0.0}
        there = rollout.present[:-1]
        reward = np.where(there, rollout.reward, np.float32(0))
        if config.team:
            team = reward.sum(-1, keepdims=True) / np.maximum(there.sum(-1, keepdims=True), 1)
            reward = np.where(there, team, np.float32(0)).astype(np.float32)
        observation, present = torch.from_numpy(rollout.observation), torch.from_numpy(rollout.present)
        action = torch.from_numpy(rollout.action)
        with torch.no_grad():
            value = self.values(observation, present).numpy()
            before, _ = self.log_chances(observation[:-1], action)
        gain = advantages(reward, value, config.gamma, config.lam)
        data = (
            *(observation[:-1], present[:-1], action, before),
            *(torch.from_numpy(gain), torch.from_numpy(gain + value[:-1])),
        )
        return self.passes(data, done, draw)

    def log_chances(self, observation: Any, action: Any) -> tuple[Any, Any]:
        """log pi(action) and entropy, tensors [...], summed over heads, for observations [..., S, 8]."""
        torch, p = self._torch, self.parts["actor"]
        x = torch.tanh(self._scaled(observation) @ p["w1"] + p["kind1"][self._kind])
        x = torch.tanh(x @ p["w2"] + p["b2"])
        logits = torch.where(self._mask, x @ p["w3"] + p["kind3"][self._kind], torch.tensor(network.NEVER))
        chance, entropy = 0.0, 0.0
        for head, part in enumerate(logits.split(self.heads, -1)):
            log = torch.log_softmax(part, -1)
            chance = chance + log.gather(-1, action[..., head : head + 1])[..., 0]
            entropy = entropy - (log.exp() * log).sum(-1)
        return chance, entropy

    def values(self, observation: Any, present: Any) -> Any:
        """Each agent's value, tensor [..., S]."""
        torch, p = self._torch, self.parts["critic"]
        x = self._scaled(observation)
        if self.config.method == "mappo":
            x = torch.cat([x.flatten(-2), present.to(x.dtype)], -1)
            x = torch.tanh(x @ p["w1"] + p["b1"])
            return torch.tanh(x @ p["w2"] + p["b2"]) @ p["w3"] + p["b3"]
        x = torch.tanh(x @ p["w1"] + p["kind1"][self._kind])
        return (torch.tanh(x @ p["w2"] + p["b2"]) @ p["w3"] + p["kind3"][self._kind])[..., 0]

    def _scaled(self, observation: Any) -> Any:
        return (observation - self._fixed["mean"]) * self._fixed["scale"]

    def _normalise(self, observation: np.ndarray) -> None:
        rows = observation.reshape(-1, OBSERVATION).astype(np.float64)
        self._acting["mean"][:] = rows.mean(0)
        self._acting["scale"][:] = 1 / np.maximum(rows.std(0), LEAST_DEVIATION)
        self._normalised = True

    def descend(self, *samples: Any) -> dict[str, float]:
        observation, there, action, before, gain, target = samples
        chance, entropy = self.log_chances(observation, action)
        value = self.values(observation, there)
        # Agents whose device is away decide nothing and earn nothing.
        chance, before, gain, entropy = chance[there], before[there], gain[there], entropy[there]
        if len(gain) < 2:
            return {"loss/policy": 0.0, "loss/value": 0.0, "entropy/mean": 0.0}
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        policy = -self.clipped((chance - before).exp(), gain).mean()
        regression = (value[there] - target[there]).pow(2).mean()
        return self.step(policy, regression, entropy.mean())

    # --- keeping ----------------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, np.ndarray]:
        return {**super().state_dict(), "normalised": np.array(self._normalised)}

    def load(self, file: Any, state: dict[str, np.ndarray]) -> None:
        super().load(file, state)
        self._normalised = bool(state["normalised"])


def _critic(agents: int, kinds: int, central: bool, generator: np.random.Generator) -> network.Parameters:
    """Fresh weights: of one agent's observation (with biases by kind), or of all agents' and who is there."""
    if central:
        width, units, out = agents * (OBSERVATION + 1), CENTRAL, agents
        biases: dict[str, tuple[int, ...]] = {"b1": (units,), "b2": (units,), "b3": (out,)}
    else:
        width, units, out = OBSERVATION, network.HIDDEN, 1
        biases = {"kind1": (kinds, units), "b2": (units,), "kind3": (kinds, out)}
    layers = {"w1": (width, units, 2.0**0.5), "w2": (units, units, 2.0**0.5), "w3": (units, out, 1.0)}
    weights = {name: network.orthogonal((rows, n), gain, generator) for name, (rows, n, gain) in layers.items()}
    return {**weights, **{name: np.zeros(shape, np.float32) for name, shape in biases.items()}}
