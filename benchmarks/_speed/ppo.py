"""How much of a PPO loop is the environment: a rollout of 128 steps with FCPO's 8-64-48 net, GAE, 4 x 4 minibatches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._speed.paths import SCENARIO
from benchmarks._speed.result import Figure, Measured, need
from benchmarks._speed.timing import Budget
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.envs.vector import BatchingVectorEnv

HORIZON, EPOCHS, MINIBATCHES = 128, 4, 4
GAMMA, LAMBDA, CLIP = 0.99, 0.95, 0.2
#: The head chooses one of 64 settings: 2 packings x 8 batches x 4 pairs of threads.
PACKS, BATCHES = (1, 2), (1, 2, 4, 8, 16, 32, 48, 64)


def share_16(budget: Budget) -> Measured:
    return _share(1, 3 if budget.quick else 40, need("torch", "torch", "train"))


def share_256(budget: Budget) -> Measured:
    return _share(16, 2 if budget.quick else 12, need("torch", "torch", "train"))


def _share(num_envs: int, updates: int, torch: Any) -> Measured:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loop = Loop(num_envs, torch)
    loop.update()
    parts = [loop.update() for _ in range(updates)]
    shares = [100 * env / (env + rest) for env, rest in parts]
    env_s, rest_s = np.median(parts, axis=0)
    samples = HORIZON * loop.rows
    return Measured.median(
        shares,
        [
            Figure("whole loop", samples / (env_s + rest_s) / 1e3, "k samples/s"),
            Figure("without the environment", samples / rest_s / 1e3, "k samples/s"),
            Figure("env.step", samples / env_s / 1e3, "k agent-steps/s"),
        ],
    )


def settings_of(sizes: np.ndarray) -> np.ndarray:
    """int64 [64, 3]: the action for each of the head's choices, within an action space of `sizes` (pack, batch,
    threads)."""
    rows = [(p - 1, b - 1, t) for p in PACKS for b in BATCHES for t in range(len(THREAD_ACTIONS))]
    return np.minimum(np.array(rows, np.int64), np.asarray(sizes) - 1)


def _layers(nn: Any) -> list[Any]:
    return [nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 48), nn.ReLU(), nn.LayerNorm(48)]


class Loop:
    """PPO over a VectorEnv with a row per agent."""

    def __init__(self, num_envs: int, torch: Any) -> None:
        nn, self._torch = torch.nn, torch
        self.env = BatchingVectorEnv(num_envs, SCENARIO, rows="agents")
        self.rows = self.env.num_envs
        self._settings = settings_of(self.env.single_action_space.nvec)
        self._trunk = nn.Sequential(*_layers(nn))
        self._policy, self._value = nn.Linear(48, len(self._settings)), nn.Linear(48, 1)
        self._weights = [*self._trunk.parameters(), *self._policy.parameters(), *self._value.parameters()]
        self._optimiser = torch.optim.Adam(self._weights, 2.5e-4, eps=1e-5)
        shape = (HORIZON, self.rows)
        self._observations = torch.zeros(*shape, 8)
        self._choices = torch.zeros(shape, dtype=torch.int64)
        self._chances, self._values, self._rewards = (torch.zeros(shape) for _ in range(3))
        self._now = torch.from_numpy(self.env.reset(seed=0)[0])

    def update(self) -> tuple[float, float]:
        """One rollout and its learning: seconds in `env.step`, seconds in everything else."""
        start = time.perf_counter()
        inside = self._rollout()
        self._learn()
        return inside, time.perf_counter() - start - inside

    def _rollout(self) -> float:
        torch, inside = self._torch, 0.0
        with torch.no_grad():
            for k in range(HORIZON):
                logs, value = self._forward(self._now)
                choice = torch.multinomial(logs.exp(), 1)
                self._observations[k], self._values[k], self._choices[k] = self._now, value, choice[:, 0]
                self._chances[k] = logs.gather(-1, choice)[:, 0]
                actions = self._settings[choice[:, 0].numpy()]
                start = time.perf_counter()
                observation, reward, *_ = self.env.step(actions)
                inside += time.perf_counter() - start
                self._now = torch.from_numpy(observation)
                self._rewards[k] = torch.from_numpy(reward)
        return inside

    def _forward(self, observation: Any) -> tuple[Any, Any]:
        hidden = self._trunk(observation)
        return self._torch.log_softmax(self._policy(hidden), -1), self._value(hidden)[..., 0]

    def _learn(self) -> None:
        torch, values = self._torch, self._values
        with torch.no_grad():
            following, so_far = self._forward(self._now)[1], torch.zeros(self.rows)
            gains = torch.zeros_like(values)
            for k in reversed(range(HORIZON)):
                so_far = self._rewards[k] + GAMMA * following - values[k] + GAMMA * LAMBDA * so_far
                gains[k], following = so_far, values[k]
            targets = gains + values
        stored = (self._observations, self._choices, self._chances, gains, targets)
        flat = [x.reshape(-1, *x.shape[2:]) for x in stored]
        for _ in range(EPOCHS):
            for chosen in torch.randperm(len(flat[0])).chunk(MINIBATCHES):
                self._descend(*(x[chosen] for x in flat))

    def _descend(self, observation: Any, choice: Any, chance: Any, gain: Any, target: Any) -> None:
        torch = self._torch
        logs, value = self._forward(observation)
        ratio = (logs.gather(-1, choice[:, None])[:, 0] - chance).exp()
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        policy = torch.max(-gain * ratio, -gain * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
        entropy = -(logs.exp() * logs).sum(-1).mean()
        loss = policy + 0.5 * (value - target).pow(2).mean() - 0.01 * entropy
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 0.5)
        self._optimiser.step()
