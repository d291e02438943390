"""The algorithm of the learned offloader: what is drawn, advantages, losses and the critic, with torch.

MAPPO (Yu et al., arXiv 2103.01955): PPO (Schulman et al., arXiv 1707.06347) of one actor that all agents share, with
the advantage of the team's reward from a critic that sees the observations of all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from octogym.agents.ppo import offload_network as network
from octogym.agents.ppo.network import Parameters, orthogonal
from octogym.cluster.tensor_file import check_arrays
from octogym.train.checkpoint import join_names, split_names
from octogym.train.gae import advantages
from octogym.train.torch_extra import adam_arrays, import_torch, load_adam

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


class Learner:
    """Actor, critic and optimiser of one run.

    Args:
        config: a `octogym.train.ppo.offload_training.OffloadPpoConfig`.
        kinds: int [T], the targets' kinds (`offload_network.kinds_of`).
    """

    def __init__(self, config: Any, kinds: np.ndarray) -> None:
        self._torch = torch = import_torch()
        self.config, self.kinds = config, kinds
        generator = np.random.default_rng([config.seed, 1])
        actor = network.initial(config.history, generator)
        actor["kind4"][network.OWN] = config.own
        critic = _critic(config.history, generator)
        self.actor = {name: torch.from_numpy(array).requires_grad_() for name, array in actor.items()}
        self.critic = {name: torch.from_numpy(array).requires_grad_() for name, array in critic.items()}
        # The logarithm of the deviation with which scores are drawn.
        spread = np.full(network.KINDS, np.log(config.spread), np.float32)
        self.spread = torch.from_numpy(spread).requires_grad_()
        named = {"actor": self.actor, "critic": self.critic, "drawn": {"spread": self.spread}}
        self._named: dict[str, Any] = {f"{part}/{name}": x for part, p in named.items() for name, x in p.items()}
        self._weights = [self._named[name] for name in sorted(self._named)]
        self._optimiser = torch.optim.Adam(self._weights, config.lr, eps=1e-5)
        self._kinds = torch.from_numpy(kinds)
        # Share the tensors' memory: what learning changes, acting sees.
        self._acting = {name: x.detach().numpy() for name, x in self.actor.items()}
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
        # A sample is one cluster in one step with all its agents.
        flat = [x.reshape(-1, *x.shape[2:]) for x in data]
        for group in self._optimiser.param_groups:
            group["lr"] = config.lr * (1 - done if config.anneal else 1.0)
        losses = []
        for epoch in range(config.epochs):
            order = torch.from_numpy(np.random.default_rng([*draw, epoch]).permutation(len(flat[0])))
            losses += [self._descend(*(x[chosen] for x in flat)) for chosen in order.chunk(config.minibatches)]
        return {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}

    def log_chances(self, seen: tuple[Any, ...], drawn: Any) -> tuple[Any, Any]:
        """log of the density of drawn scores, and entropy up to a constant, tensors [...], summed over the targets
        that are there; `seen`: `offload_network.inputs` [..., T]."""
        p, torch = self.actor, self._torch
        _, target, there = seen
        context = self._agents(p, seen)
        x = (context @ p["context"])[..., None, :] + target @ p["target"] + p["kind3"][self._kinds]
        score = (torch.tanh(x) @ p["score"])[..., 0] + p["kind4"][self._kinds]
        spread = self.spread[self._kinds] * there
        off = (drawn - score) * there * (-spread).exp()
        return -(0.5 * off * off + spread).sum(-1), spread.sum(-1)

    def values(self, seen: tuple[Any, ...], present: Any) -> Any:
        """The team's value, tensor [...], of the inputs [..., N, T] of all agents, and which are `present` [..., N]."""
        p, torch = self.critic, self._torch
        each = self._agents(p, seen) * present[..., None]
        mean = each.sum(-2) / present.sum(-1, keepdim=True).clamp(min=1)
        return (torch.tanh(mean @ p["w3"] + p["b3"]) @ p["w4"] + p["b4"])[..., 0]

    def _agents(self, p: dict[str, Any], seen: tuple[Any, ...]) -> Any:
        """What an agent makes of itself and all its targets, tensor [..., HIDDEN]."""
        torch, (own, target, there) = self._torch, seen
        each = torch.tanh(target @ p["pool"] + p["kind1"][self._kinds]) * there[..., None]
        mean = each.sum(-2) / there.sum(-1, keepdim=True)
        return torch.tanh(own @ p["self"] + mean @ p["mean"] + p["b2"])

    def _descend(
        self,
        own: Any,
        target: Any,
        there: Any,
        present: Any,
        drawn: Any,
        before: Any,
        gain: Any,
        reached: Any,
    ) -> dict[str, float]:
        torch, config = self._torch, self.config
        seen = (own, target, there)
        chance, entropy = self.log_chances(seen, drawn)
        value = self.values(seen, present)
        gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-8)
        # Agents whose device is away decide nothing; a mean over nobody would be no number.
        count = present.sum().clamp(min=1)
        ratio = torch.where(present, chance - before, torch.zeros_like(chance)).exp()
        gain = gain[:, None]
        worth = torch.min(gain * ratio, gain * ratio.clamp(1 - config.clip, 1 + config.clip))
        policy = -(worth * present).sum() / count
        entropy = (entropy * present).sum() / count
        regression = (value - reached).pow(2).mean()
        loss = policy + config.value_weight * regression - config.entropy * entropy
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, config.max_grad_norm)
        self._optimiser.step()
        return {
            "loss/policy": policy.item(),
            "loss/value": regression.item(),
            "entropy/mean": entropy.item(),
        }

    # --- keeping ----------------------------------------------------------------------------------------------------
    def actor_arrays(self) -> Parameters:
        """Copies of what acts."""
        return {name: array.copy() for name, array in self._acting.items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that later updates depend on, copies."""
        weights = {name: x.detach().numpy().copy() for name, x in self._named.items()}
        return {**weights, **join_names(adam=adam_arrays(self._optimiser, self._named))}

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
        load_adam(torch, self._optimiser, self._named, split_names(state, "adam"))


def _critic(history: int, generator: np.random.Generator) -> Parameters:
    """Fresh weights: each agent as the actor sees it, the mean over agents, a hidden layer."""
    shapes = network.shapes(history)
    weights = {name: orthogonal(shapes[name], 1.0, generator) for name in ("pool", "self", "mean")}
    weights["w3"] = orthogonal((network.HIDDEN, CRITIC), 1.0, generator)
    weights["w4"] = orthogonal((CRITIC, 1), 1.0, generator)
    sizes = {"kind1": shapes["kind1"], "b2": shapes["b2"], "b3": (CRITIC,), "b4": (1,)}
    return {**weights, **{name: np.zeros(shape, np.float32) for name, shape in sizes.items()}}
