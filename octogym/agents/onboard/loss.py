"""FCPO's loss (Eq. 3 to 5) and its gradient at the network's outputs; GAE; a loss as the published code has it."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np

from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.layout import Layout

#: Added inside logarithms of probabilities.
LOG_EPS = 1e-10
#: Lower limit of a clipped ratio where `clip` = 1 sets none.
LEAST_RATIO = 1e-6
#: The published code's policy loss is this many times the mean, and so is the constant over the ratio in it.
RELEASED_SCALE = 10.0


class Batch(NamedTuple):
    """Kept experiences of n agents, T each with padding; rows one after the other, each in order of time."""

    state: np.ndarray  # [n, T, 8]
    columns: np.ndarray  # intp [n, T, heads]: chosen outputs among the concatenated heads
    logp: np.ndarray  # [n, T]: log-probability of the actions when they were chosen, summed over heads
    reward: np.ndarray  # [n, T]
    advantage: np.ndarray  # [n, T]
    returns: np.ndarray  # [n, T]
    cost: np.ndarray  # [n, T]: resolution index + threads index of the actions
    weight: np.ndarray  # [n, T]: 1 / experiences of the agent; 0 for padding


class Losses(NamedTuple):
    """float64 [n] each. `total` = policy + value_weight value + penalty weight penalty - entropy weight entropy."""

    total: np.ndarray
    policy: np.ndarray
    value: np.ndarray
    penalty: np.ndarray
    entropy: np.ndarray


def advantages(
    reward: np.ndarray, value: np.ndarray, kept: np.ndarray, gamma: float, lam: float
) -> Tuple[np.ndarray, np.ndarray]:
    """GAE and discounted returns over the kept experiences in order of time, as the published code does.

    The value after the last kept experience counts as 0. Args: `reward`, `value` float [..., C] and `kept` bool
    [..., C], kept ones first. Returns float64 [..., C] twice, 0 where not kept.
    """
    r = np.where(kept, reward, 0).astype(np.float64)
    v = np.where(kept, value, 0).astype(np.float64)
    both = np.stack([r - v, r])  # residuals and rewards, discounted by gamma lambda and gamma
    both[0, ..., :-1] += gamma * v[..., 1:]
    by = np.moveaxis(both, -1, 0).copy()
    discount = np.array([gamma * lam, gamma]).reshape(2, *[1] * (r.ndim - 1))
    for t in range(len(by) - 2, -1, -1):
        by[t] += discount * by[t + 1]
    both = np.moveaxis(by, 0, -1)
    return np.where(kept, both[0], 0), both[1]


def normalised(advantage: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Advantages [n, T] less their mean, over their standard deviation (divisor N), per agent; padding has weight 0."""
    weight = weight.astype(np.float64)
    centred = advantage - (advantage * weight).sum(-1, keepdims=True)
    deviation = np.sqrt((centred**2 * weight).sum(-1, keepdims=True))
    return np.asarray(centred / (deviation + 1e-8))


class Loss:
    """The loss of a configuration for one layout. `of(...)` gives losses and the gradients at the outputs."""

    def __init__(self, config: IAgentConfig, layout: Layout, dtype: type = np.float32) -> None:
        self._config, self._layout = config, layout
        self._costs: np.ndarray = layout.costs().astype(dtype)

    def of(
        self, p: np.ndarray, value: np.ndarray, batch: Batch, policy_only: bool = False
    ) -> Tuple[Losses, np.ndarray, np.ndarray]:
        """(Losses, gradient at p [n, T, outputs], gradient at value [n, T]) for probabilities p and values.

        `policy_only`: the total is the policy loss alone (fine-tuning).
        """
        config, weight = self._config, batch.weight
        policy, grad_p = self._policy(p, batch)
        error = value - batch.returns
        value_loss = _mean(error * error, weight)
        penalty = self._penalty(p, batch)
        log = np.log(p + p.dtype.type(LOG_EPS))
        entropy = -_mean((p * log).sum(-1), weight)
        grad_value = np.zeros_like(value)
        total = policy
        if not policy_only:
            total = policy + config.value_weight * value_loss + config.penalty * penalty - config.entropy * entropy
            grad_value = (2 * config.value_weight) * weight * error
            if config.loss == "paper":
                grad_p += config.penalty * weight[..., None] * self._costs
            if config.entropy:
                grad_p += config.entropy * weight[..., None] * (log + p / (p + p.dtype.type(LOG_EPS)))
        return Losses(total, policy, value_loss, penalty, entropy), grad_p, grad_value

    def _policy(self, p: np.ndarray, batch: Batch) -> Tuple[np.ndarray, np.ndarray]:
        config, columns = self._config, batch.columns
        released = config.loss == "released"
        q = self._again(p) if released else p
        chosen = np.take_along_axis(q, columns, -1) + q.dtype.type(LOG_EPS)
        ratio = np.exp(np.log(chosen).sum(-1) - batch.logp)
        low, high = max(1 - config.clip, LEAST_RATIO), 1 + config.clip
        clipped = np.clip(ratio, low, high)
        plain, held = ratio * batch.advantage, clipped * batch.advantage
        factor = np.exp(-batch.reward) if config.reward_factor else np.ones_like(ratio)
        # The slope of a minimum: of the plain term wherever it is not above the clipped one.
        slope = np.where(plain <= held, batch.advantage, 0)
        if released:
            # "code P": the reward's factor stands in a term of its own, added.
            bound = np.maximum(ratio, low)
            loss = RELEASED_SCALE * (RELEASED_SCALE / bound * factor - np.minimum(plain, held))
            moving = ratio >= low
            slope = RELEASED_SCALE * (np.where(moving, -RELEASED_SCALE * factor / (bound * bound), 0) - slope)
        else:
            loss = -factor * np.minimum(plain, held)
            slope = -factor * slope
        grad = np.zeros_like(p)
        by_log = (batch.weight * slope * ratio)[..., None] / chosen
        np.put_along_axis(grad, columns, by_log.astype(p.dtype, copy=False), -1)
        return _mean(loss, batch.weight), self._again_backward(q, grad) if released else grad

    def _penalty(self, p: np.ndarray, batch: Batch) -> np.ndarray:
        return _mean(batch.cost if self._config.loss == "released" else p @ self._costs, batch.weight)

    def _again(self, p: np.ndarray) -> np.ndarray:
        """The published update's second softmax over probabilities, head by head."""
        q = np.exp(p)
        for at, width in zip(self._layout.offsets, self._layout.heads):
            head = q[..., at : at + width]
            head /= head.sum(-1, keepdims=True)
        return q

    def _again_backward(self, q: np.ndarray, grad: np.ndarray) -> np.ndarray:
        grad = q * grad
        for at, width in zip(self._layout.offsets, self._layout.heads):
            part = grad[..., at : at + width]
            part -= q[..., at : at + width] * part.sum(-1, keepdims=True)
        return grad


def _mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """float64 [n]: sum over T of values times weight."""
    return np.asarray(np.add.reduce(values * weight, -1, np.float64))
