"""AdamW (Loshchilov and Hutter 2019) with the constants and the order of operations of torch's."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence

import numpy as np

from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.layout import Layout


class AdamW:
    """Moments of n agents' parameters, and how many steps each of their named arrays has taken.

    `first`, `second`: float32 [n, size]. `steps`: int64 [n, names].
    """

    def __init__(self, layout: Layout, n: int, config: IAgentConfig) -> None:
        self._layout, self._config = layout, config
        self.first = np.zeros((n, layout.size), np.float32)
        self.second = np.zeros((n, layout.size), np.float32)
        self.steps = np.zeros((n, len(layout.names)), np.int64)

    def step(
        self, flat: np.ndarray, grad: np.ndarray, agents: np.ndarray, names: Optional[Sequence[str]] = None
    ) -> None:
        """One step of `agents` (intp [m], each once): `flat` [n, size] changes by `grad` [m, size].

        With `names` only those arrays move; nothing of the others changes, moments included.
        """
        layout = self._layout
        if names is None:
            self.steps[agents] += 1
            steps = self.steps[agents]
            same = (steps == steps[:, :1]).all()
            steps = steps[:, :1] if same else steps[:, layout.owner]
            whole = len(agents) == len(flat) and (agents == np.arange(len(flat))).all()
            at = slice(None) if whole else agents
            parameter, first, second = flat[at], self.first[at], self.second[at]
            self._move(parameter, first, second, grad, steps)
            if not whole:
                flat[at], self.first[at], self.second[at] = parameter, first, second
            return
        parameters, firsts, seconds = layout.views(flat), layout.views(self.first), layout.views(self.second)
        grads = layout.views(grad)
        for name in names:
            k = layout.names.index(name)
            self.steps[agents, k] += 1
            moved = parameters[name][agents], firsts[name][agents], seconds[name][agents]
            steps = self.steps[agents, k].reshape(-1, *[1] * (moved[0].ndim - 1))
            self._move(*moved, grads[name], steps)
            parameters[name][agents], firsts[name][agents], seconds[name][agents] = moved

    def _move(
        self, parameter: np.ndarray, first: np.ndarray, second: np.ndarray, grad: np.ndarray, steps: np.ndarray
    ) -> None:
        config = self._config
        beta1, beta2 = config.betas
        # Corrections in double, as torch has them, then rounded once.
        size = (config.lr / (1 - beta1**steps)).astype(np.float32)
        root = np.sqrt(1 - beta2**steps).astype(np.float32)
        parameter *= np.float32(1 - config.lr * config.weight_decay)
        work = np.subtract(grad, first)
        work *= np.float32(1 - beta1)
        first += work
        second *= np.float32(beta2)
        np.multiply(grad, np.float32(1 - beta2), out=work)
        work *= grad
        second += work
        np.sqrt(second, out=work)
        work /= root
        work += np.float32(config.eps)
        np.divide(first, work, out=work)
        work *= size
        parameter -= work

    def arrays(self) -> Dict[str, np.ndarray]:
        """What has to be saved, the very objects."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def problem(self, found: Mapping[str, np.ndarray]) -> Optional[str]:
        """What no optimiser could have come to, in arrays like those of `arrays`; None if there is nothing."""
        for name in ("second", "steps"):
            if (found[name] < 0).any():
                return f"{name}: below 0"
        return None

    def forget(self, agent: int, names: Sequence[str]) -> None:
        """Back to the start for the named arrays of one agent."""
        firsts, seconds = self._layout.views(self.first), self._layout.views(self.second)
        for name in names:
            firsts[name][agent] = 0
            seconds[name][agent] = 0
            self.steps[agent, self._layout.names.index(name)] = 0
