"""The offloading problem window by window, whoever steps the backend: shares, what a window is worth, what is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.backend import Backend
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.observation import Observer, state_parts
from octogym.cluster.offloading.results import mean_results
from octogym.cluster.offloading.shares import RouteShares, shares
from octogym.cluster.offloading.signals import Signals
from octogym.cluster.telemetry import Telemetry
from octogym.envs.agent_facts import FACTS, facts_of, told
from octogym.envs.offload.actions import action_space, weights
from octogym.envs.offload.observation import observation_space, state_space
from octogym.envs.offload.turns import STEP_S, Overload

#: A queue is deep above this.
DEEP = 50
#: Price of a crop that is sent to another device, in results on time.
TRANSFER_PRICE = 0.05
#: Windows of demand that are seen (OctoCross: 32 samples at 1 Hz).
HISTORY = 32


@dataclass
class Sight:
    """What can be seen at one moment: `observation` float32 [E, N, O], which agents' are new (`seen` bool [E, N]), the
    named `parts` of the state, and per agent what infos show (`values`, arrays [E, N, ...])."""

    observation: np.ndarray
    seen: np.ndarray
    parts: dict[str, np.ndarray]
    values: dict[str, np.ndarray]


class OffloadProblem:
    """N agents with T targets each in E environments of a backend.

    Per window: `put` the agents' shares into the decision, step the backend, `push` its telemetry. `decide` where
    agents act, `look` where they see. Arguments as in `octogym.envs.offload_v0`.
    """

    def __init__(self, backend: Backend, top_k: int, history: int, results_per_s: float | None) -> None:
        if isinstance(history, bool) or not isinstance(history, (int, np.integer)) or history < 1:
            raise ValueError(f"history = {history!r}; allowed: an integer, 1 or more")
        if results_per_s is not None and not 0 < results_per_s < np.inf:
            raise ValueError(f"results_per_s = {results_per_s!r}; allowed: a positive number")
        self.backend, self.cluster, self.E, self.history = backend, backend.cluster, backend.num_envs, int(history)
        cluster = self.cluster
        self.layout = OffloadLayout(cluster, top_k)
        self.agents, self.N, self.T = self.layout.agents, self.layout.N, self.layout.T
        #: Results/s by which the reward is scaled.
        self.results_per_s = mean_results(backend.scenario) if results_per_s is None else float(results_per_s)
        self.signals = Signals(self.layout, self.E, self.history)
        self._routes, self._observer = RouteShares(self.layout), Observer(self.layout)
        self._own = np.flatnonzero([self.layout.node[i.device] >= 0 for i in cluster.instances])
        device = np.array([i.device for i in cluster.instances], np.int64)
        # The instances of agents' devices, device after device, and where each begins.
        self._instances = np.concatenate([np.flatnonzero(device == d) for d in self.layout.device])
        self._begins = np.searchsorted(self.layout.node[device[self._instances]], np.arange(self.N))
        # What is said of a device is said of each of its instances.
        self._speakers = self._instances[self._begins]
        E, N = self.E, self.N
        self._weight = np.zeros((E, N, self.T))
        self._usable: np.ndarray | None = None
        #: int64 [E, N]: late reports since the last decision.
        self._late = np.zeros((E, N), np.int64)
        self._last = np.zeros((E, N, self.observation_space().shape[0]), np.float32)
        #: Of the episodes: the team's reward, crops sent; float64 [E].
        self.reward, self.offloaded = np.zeros(E), np.zeros(E)

    # --- spaces -----------------------------------------------------------------------------------------------------
    def observation_space(self) -> spaces.Box:
        return observation_space(self.layout, self.history)

    def action_space(self, agents: int = 1) -> spaces.Box:
        return action_space(self.layout, agents)

    def state_space(self) -> spaces.Box:
        return state_space(self.layout, self.history)

    # --- an episode -------------------------------------------------------------------------------------------------
    def begin(self, mask: np.ndarray) -> None:
        """New episodes in the environments of `mask` bool [E]."""
        self.signals.reset(mask)
        self.reward[mask] = self.offloaded[mask] = 0
        self._weight[mask] = self._late[mask] = 0
        self._usable = None

    def decide(self, actions: Any, t: Telemetry) -> None:
        """Take actions [E, N, T] from -1 to 1 from now on; those of agents whose devices are absent count as local.

        Raises:
            ValueError: wrong shape or type, or a value out of range, naming the agent.
        """
        weight = weights(actions, self.layout, self.E)
        away = ~self._observer.present(t)
        local = np.zeros(self.T)
        local[0] = 1.0
        self._weight = np.where(away[..., None], local, weight)
        self._late[:] = 0
        self._usable = None

    def put(self, t: Telemetry, share_milli: np.ndarray) -> None:
        """Write the agents' shares into a decision's [E, R]; `t`: the telemetry before its window. What is written
        stays valid until who is there changes, so a decision that is used again keeps it."""
        usable = self._routes.usable(t.present, t.active)
        if self._usable is None or not np.array_equal(usable, self._usable):
            self._usable = usable
            wanted = shares(self._weight, self._routes.valid(usable))
            share_milli[:, self.layout.owned] = self._routes.milli(wanted, usable)

    def push(self, t: Telemetry, running: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take one window. The team's reward in it, float64 [E], and the crops that each agent's device sent, float64
        [E, N]; 0 for environments that are not `running` bool [E]."""
        self.signals.push(t)
        sent = np.where(running[:, None], self.signals.offloaded, 0.0)
        price = TRANSFER_PRICE * sent.sum(1)
        gained = np.where(running, t.on_time_results.sum(1), 0) - price
        reward = gained / (STEP_S * self.results_per_s)
        self.reward += reward
        self.offloaded += sent.sum(1)
        facts = told(self.backend)
        if facts is not None:
            self._late += np.where(running[:, None], facts["late"][:, self._speakers], 0)
        return reward, sent

    def overload(self, t: Telemetry) -> Overload:
        """Nodes whose load is above their capacity, bool [E, M]; deep queues of their instances, bool [E, ., 5]."""
        return self.signals.load > self.layout.capacity, t.queue[:, self._own] > DEEP

    def look(self, t: Telemetry, which: np.ndarray, begun: np.ndarray) -> Sight:
        """What is seen now. Observations are new in the environments of `which` bool [E] where an agent's device is
        there and its telemetry fresh, or the episode has just `begun` bool [E]."""
        layout = self.layout
        valid = self._routes.valid(self._routes.usable(t.present, t.active))
        in_force = self._routes.in_force(t.share_milli)
        parts = state_parts(self.signals, t, in_force)
        present, fresh = self._observer.present(t), self._observer.fresh(t)
        age = np.maximum.reduceat(t.age_ns[:, self._instances], self._begins, 1)
        seen = (present & fresh | begun[:, None]) & which[:, None]
        self._last = np.where(seen[..., None], self._observer.observations(t, parts, valid), self._last)
        load = self.signals.load[:, : self.N]
        values: dict[str, np.ndarray] = {
            "present": present,
            "mask": present.astype(np.int8),
            "fresh": fresh,
            "age_s": age / 1e9,
            **self._facts(t),
            "target_mask": valid.astype(np.int8),
            "shares": in_force,
            "demand": self.signals.demand.copy(),
            "load": load.copy(),
            "capacity": np.tile(layout.capacity[: self.N], (self.E, 1)),
            "overloaded": load > layout.capacity[: self.N],
        }
        return Sight(self._last.copy(), seen, parts, values)

    def _facts(self, t: Telemetry) -> dict[str, np.ndarray]:
        """`FACTS` of the agents' devices, [E, N]."""
        facts = facts_of(self.backend, t)
        found = {name: np.asarray(facts[name])[:, self._speakers] for name in FACTS}
        safe = np.asarray(facts["safe_active"], bool)[:, self._instances]
        return {**found, "late": self._late.copy(), "safe_active": np.logical_or.reduceat(safe, self._begins, 1)}
