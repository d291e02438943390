"""The running episodes of a stack: actions that wait for their rewards, what is kept, and the last episode."""

from __future__ import annotations

import math
from typing import Dict, Optional, Tuple

import numpy as np

from octogym.agents.onboard.buffer import ExperienceBuffer
from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.errors import IAgentError
from octogym.agents.onboard.layout import STATE, Layout
from octogym.agents.onboard.loss import LOG_EPS, Batch, advantages, normalised
from octogym.agents.onboard.network import Network


class Episodes:
    """Experiences of n agents with K rows each. `network` holds what the last decision saw and gave; it is read when
    that decision's reward comes."""

    def __init__(self, layout: Layout, n: int, rows: int, config: IAgentConfig, network: Network) -> None:
        self._layout, self._config, self._shape = layout, config, (n, rows)
        self.buffer = ExperienceBuffer(layout, n * rows, config)
        self._record = self.buffer.record
        self._state, self._value = network.state, network.value
        # Views, by rows of the buffer.
        self._p, self._state_rows = network.p.reshape(n * rows, -1), network.state.reshape(n * rows, STATE)
        self._actions: np.ndarray = np.zeros((n, rows, 3), np.int64)
        self._waiting: np.ndarray = np.zeros((n, rows), bool)
        self._admitted: np.ndarray = np.zeros((n, rows), bool)
        self._admitted_rows = self._admitted.reshape(-1)
        self._clock: np.ndarray = np.zeros((), np.int64)
        self._reward_sum: np.ndarray = np.zeros((n, rows))
        self._reward_count: np.ndarray = np.zeros((n, rows), np.int64)
        self._last = np.zeros_like(self.buffer.records)
        self._last_count = np.zeros(n * rows, np.int64)
        self._eps = np.full((), LOG_EPS, np.float32)

    def remember(self, actions: np.ndarray) -> None:
        """The network has decided `actions` [n, K, 3]; whether to keep it is judged now, by what is kept so far."""
        self._actions[...] = actions
        self._waiting.fill(True)
        if self.buffer.any_full:
            log = np.log(np.add(self._p, self._eps))
            self._admitted_rows[:] = self.buffer.admits(self._state_rows, self._p, log)
        else:
            self._admitted.fill(True)

    def forget_decision(self) -> None:
        """No action waits for a reward any more."""
        self._waiting.fill(False)

    def reward(self, r: np.ndarray, valid: np.ndarray) -> None:
        """See `IAgentStack.reward`."""
        if np.shape(r) != self._shape or np.shape(valid) != self._shape:
            raise IAgentError(f"reward {np.shape(r)} and valid {np.shape(valid)}: expected shape {self._shape}")
        counted = self._waiting & valid
        r = np.where(counted, r, 0)
        if not math.isfinite(np.add.reduce(r, None)):
            raise IAgentError("a reward is not finite; mark it as not valid if it is not known")
        self._reward_sum += r
        self._reward_count += counted
        self._waiting.fill(False)
        counted &= self._admitted
        rows = counted.reshape(-1).nonzero()[0]
        if not len(rows):
            return
        record = self._record
        new = np.empty((len(rows), record.width), np.float32)
        new[:, record.state] = self._state_rows[rows]
        log = new[:, record.log]
        np.add(self._p[rows], self._eps, log)
        np.log(log, log)
        new[:, record.actions] = self._actions.reshape(-1, 3)[rows]
        new[:, record.value] = self._value.reshape(-1)[rows]
        new[:, record.reward] = r.reshape(-1)[rows]
        self._clock += 1
        self.buffer.put(rows, new, int(self._clock))

    def end(self, agents: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Move the experiences of agents [m] to their last episode. Returns their number int64 [m] and the mean of all
        rewards float64 [m], NaN where there was none."""
        rows = self.rows_of(agents)
        self._last[rows] = self.buffer.ordered(rows)
        self._last_count[rows] = self.buffer.count[rows]
        total, count = self._reward_sum[agents].sum(-1), self._reward_count[agents].sum(-1)
        mean = np.divide(total, count, out=np.full(len(agents), np.nan), where=count > 0)
        self.clear(agents)
        return self.last_experiences(agents), mean

    def clear(self, agents: np.ndarray) -> None:
        """Forget the running episode of agents [m]; the last one stays."""
        self.buffer.clear(self.rows_of(agents))
        self._waiting[agents] = False
        self._reward_sum[agents] = 0
        self._reward_count[agents] = 0

    def rows_of(self, agents: np.ndarray) -> np.ndarray:
        """intp [m K]: the buffer's rows of agents intp [m]."""
        k = self._shape[1]
        return (agents[:, None] * k + np.arange(k)).reshape(-1)

    def last_experiences(self, agents: np.ndarray) -> np.ndarray:
        """int64 [m]: experiences of the last episode, over all rows."""
        return np.asarray(self._last_count[self.rows_of(agents)].reshape(len(agents), -1).sum(-1))

    def batch(self, agents: np.ndarray) -> Batch:
        """The last episode of agents [m], each row padded to the longest."""
        config, record, rows, m = self._config, self._record, self.rows_of(agents), len(agents)
        count = self._last_count[rows]
        longest = int(count.max())
        kept = np.arange(longest) < count[:, None]
        records = np.where(kept[..., None], self._last[rows, :longest], 0)
        reward = records[..., record.reward]
        gae, returns = advantages(reward, records[..., record.value], kept, config.gamma, config.lam)
        actions = records[..., record.actions].astype(np.int64)
        columns = self._layout.columns(actions)
        logp = np.take_along_axis(records[..., record.log], columns, -1).sum(-1)
        weight = kept.reshape(m, -1) / np.maximum(self.last_experiences(agents), 1)[:, None]
        advantage = gae.reshape(m, -1)
        if config.advantage == "normalised":
            advantage = normalised(advantage, weight)

        def single(array: np.ndarray) -> np.ndarray:
            return array.reshape(m, -1).astype(np.float32, copy=False)

        return Batch(
            records[..., record.state].reshape(m, -1, STATE),
            columns.reshape(m, -1, columns.shape[-1]),
            single(logp),
            single(reward),
            single(advantage),
            single(returns),
            single(actions[..., 0] + actions[..., 2]),
            single(weight),
        )

    def arrays(self) -> Dict[str, np.ndarray]:
        """Everything that makes up the state, the very objects; after writing into them call `loaded`."""
        return {
            "pending.state": self._state,
            "pending.p": self._p,
            "pending.value": self._value,
            "pending.actions": self._actions,
            "pending.waiting": self._waiting,
            "pending.admitted": self._admitted,
            "clock": self._clock,
            "reward.sum": self._reward_sum,
            "reward.count": self._reward_count,
            "last.records": self._last,
            "last.count": self._last_count,
            **{"buffer." + name: array for name, array in self.buffer.arrays().items()},
        }

    def problem(self, found: Dict[str, np.ndarray]) -> Optional[str]:
        """What no stack could have come to, in arrays like those of `arrays`; None if there is nothing."""
        capacity = self.buffer.records.shape[1]
        count, time = found["buffer.count"], found["buffer.time"]
        for name in ("buffer.count", "last.count"):
            if (found[name] < 0).any() or (found[name] > capacity).any():
                return f"{name}: from {found[name].min()} to {found[name].max()}, expected 0 to {capacity}"
        filled = np.arange(capacity) < count[:, None]
        if ((time <= found["clock"]) != filled).any() or (time < 0).any():
            return "buffer.time: does not fit buffer.count and clock"
        played = np.arange(capacity) < found["last.count"][:, None]
        columns = self._record.actions
        for name, actions in (
            ("buffer.records", found["buffer.records"][filled][:, columns]),
            ("last.records", found["last.records"][played][:, columns]),
            ("pending.actions", found["pending.actions"]),
        ):
            if (actions < 0).any() or (actions >= self._layout.sizes).any() or (actions % 1 != 0).any():
                return f"{name}: holds actions that are none of {self._layout.sizes}"
        if (found["pending.p"] < 0).any() or (found["reward.count"] < 0).any():
            return "pending.p or reward.count: below 0"
        return None
