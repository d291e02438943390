"""The offloading problem over any backend, as arrays. Every environment is a thin layer over this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.backend import Backend, Policy, Seed
from octogym.cluster.offloading.layout import TOP_K, OffloadLayout
from octogym.cluster.offloading.results import mean_results
from octogym.cluster.offloading.shares import RouteShares, shares
from octogym.cluster.offloading.signals import Signals
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import BINS, Telemetry
from octogym.envs.figures import episode_figures
from octogym.envs.offload.actions import action_space, weights
from octogym.envs.offload.frame import RESULTS, OffloadFrame
from octogym.envs.offload.observation import Observer, observation_space, state_parts, state_space
from octogym.envs.offload.settings import Settings
from octogym.envs.opening import open_backend
from octogym.envs.options import Randomiser, check_options

#: The scenario where none is named.
QUICK_START = "campus-8"
#: Seconds of a step at most, and before an overload may end it.
STEP_S, COOL_DOWN_S = 15.0, 3.0
#: A queue is deep above this.
DEEP = 50
#: Price of a crop that is sent to another device, in results on time.
TRANSFER_PRICE = 0.05
#: Windows of demand that are seen (OctoCross: 32 samples at 1 Hz).
HISTORY = 32
_FIELDS = ("generated", "on_time_results", "late", "dropped", "missed", "lost_results")


class OffloadCore:
    """E environments of one scenario with N agents, T targets each. A step is `decide`, then `advance`; a frame is new
    in every step. Arguments as in `octogym.envs.offload_v0`."""

    def __init__(
        self,
        scenario: str | Scenario | None = None,
        backend: str | Backend = "sim",
        num_envs: int = 1,
        horizon: float | None = None,
        interrupt: bool = True,
        top_k: int = TOP_K,
        history: int = HISTORY,
        others: str | Policy | None = None,
        results_per_s: float | None = None,
        randomise: Mapping[str, Any] | None = None,
        threads: int = 1,
    ) -> None:
        if scenario is None and isinstance(backend, str):
            scenario = QUICK_START
        self.backend, self.owns_backend = open_backend(scenario, backend, num_envs, threads)
        self.scenario, self.cluster, self.E = self.backend.scenario, self.backend.cluster, self.backend.num_envs
        cluster = self.cluster
        if interrupt and self.E > 1:
            raise ValueError(
                f"interrupt = True with num_envs = {self.E}; allowed: False, since a backend steps all environments of "
                "a batch together and one whose step ended early could not wait for the others"
            )
        if isinstance(history, bool) or not isinstance(history, (int, np.integer)) or history < 1:
            raise ValueError(f"history = {history!r}; allowed: an integer, 1 or more")
        if results_per_s is not None and not 0 < results_per_s < np.inf:
            raise ValueError(f"results_per_s = {results_per_s!r}; allowed: a positive number")
        self.interrupt, self.history = bool(interrupt), int(history)
        self.layout = OffloadLayout(cluster, top_k)
        self.agents, self.N, self.T = self.layout.agents, self.layout.N, self.layout.T
        self.horizon_s = float(self.scenario.horizon_s if horizon is None else horizon)
        self.horizon = self._windows(self.horizon_s, "horizon")
        self._longest = max(1, round(STEP_S * 1e9 / cluster.period_ns))
        self._cool_down = max(1, round(COOL_DOWN_S * 1e9 / cluster.period_ns))
        #: Results/s by which the reward is scaled.
        self.results_per_s = mean_results(self.scenario) if results_per_s is None else float(results_per_s)
        self._settings = Settings(self.backend, self.layout.owned, others)
        self._routes = RouteShares(self.layout)
        self._signals = Signals(self.layout, self.E, self.history)
        self._observer = Observer(self.layout)
        self._randomiser = Randomiser(randomise, self.E) if randomise else None
        self._own = np.flatnonzero([self.layout.node[i.device] >= 0 for i in cluster.instances])
        self._agent_rows = [
            np.flatnonzero([i.device == d for i in cluster.instances]) for d in self.layout.device.tolist()
        ]
        self._leaves = np.flatnonzero([not cluster.out_edges(i.stage) for i in cluster.instances])
        E, N = self.E, self.N
        #: int64 [E]: windows since the reset.
        self.clock = np.zeros(E, np.int64)
        self._weight = np.zeros((E, N, self.T))
        self._usable: np.ndarray | None = None
        self._last = np.zeros((E, N, observation_space(self.layout, self.history).shape[0]), np.float32)
        self._leaf_hist = np.zeros((E, BINS), np.int64)
        self._episode_reward, self._episode_offloaded = np.zeros(E), np.zeros(E)
        self._clear_step()
        self.telemetry: Telemetry | None = None
        self.frame: OffloadFrame | None = None

    # --- spaces -----------------------------------------------------------------------------------------------------
    def observation_space(self) -> spaces.Box:
        return observation_space(self.layout, self.history)

    def action_space(self, agents: int = 1) -> spaces.Box:
        return action_space(self.layout, agents)

    def state_space(self) -> spaces.Box:
        return state_space(self.layout, self.history)

    # --- an episode -------------------------------------------------------------------------------------------------
    def reset(
        self, seed: Seed = None, mask: np.ndarray | None = None, options: Mapping[str, Any] | None = None
    ) -> OffloadFrame:
        """Start new episodes in all environments, or those of `mask` bool [E]. Environment e uses `seed + e`.

        Raises:
            ValueError: an option that is not known, or a first reset of some environments only.
        """
        mask = np.ones(self.E, bool) if mask is None else mask
        if self.frame is None and not mask.all():
            raise ValueError(f"the first reset begins all {self.E} environments; the mask marks {int(mask.sum())}")
        frame = None if self.frame is None else self.frame.copy()
        self._begin(seed, mask, check_options(options))
        return self._finish(frame, mask, mask)

    def decide(self, actions: Any) -> None:
        """Take actions [E, N, T] from -1 to 1 for the next step; those of absent agents count as local.

        Raises:
            ValueError: wrong shape or type, or a value out of range, naming the agent.
        """
        assert self.telemetry is not None
        weight = weights(actions, self.layout, self.E)
        away = self.telemetry.present[:, self.layout.device] == 0
        local = np.zeros(self.T)
        local[0] = 1.0
        self._weight = np.where(away[..., None], local, weight)
        self._usable = None

    def advance(self, restart: np.ndarray | None = None) -> OffloadFrame:
        """One step of all environments; those of `restart` bool [E] begin a new episode instead."""
        assert self.frame is not None and self.telemetry is not None
        if restart is not None and restart.all():
            return self.reset()
        frame = self.frame.copy()
        running = np.ones(self.E, bool) if restart is None else ~restart
        passed = np.zeros(self.E, np.int64)
        self._clear_step()
        heavy, deep = self._overload(self.telemetry)
        while running.any():
            t = self._window(running)
            passed += running
            over = running & (self.clock >= self.horizon)
            stop = running & (over | (passed >= self._longest))
            if self.interrupt:
                now_heavy, now_deep = self._overload(t)
                new = (now_heavy & ~heavy).any(1) | (now_deep & ~deep).any((1, 2))
                self._interrupted = running & ~stop & new & (passed >= self._cool_down)
                stop |= self._interrupted
            self._settings.learn(t, bool(over.any()))
            if stop.any():
                frame = self._finish(frame, stop, np.zeros(self.E, bool))
            running = running & ~stop
        if restart is not None and restart.any():
            # They have made these windows for nothing: a backend steps all or none.
            self._begin(None, restart, {})
            frame = self._finish(frame, restart, restart)
        return frame

    def close(self) -> None:
        if self.owns_backend:
            self.backend.close()

    # --- inside -----------------------------------------------------------------------------------------------------
    def _windows(self, seconds: float, name: str) -> int:
        period = self.cluster.period_ns
        count = round(seconds * 1e9 / period)
        if count < 1 or abs(count * period - seconds * 1e9) > 0.5:
            raise ValueError(f"{name} = {seconds!r} s; allowed: a positive multiple of the window, {period / 1e9} s")
        return count

    def _begin(self, seed: Seed, mask: np.ndarray, options: dict[str, Any]) -> None:
        if self.horizon_s > self.scenario.horizon_s:
            options = {**options, "horizon_s": self.horizon_s}
        if self._randomiser is None:
            self.telemetry = self.backend.reset(seed, None if mask.all() else mask, options)
        else:
            for one, drawn in self._randomiser.draw(seed, mask, options):
                self.telemetry = self.backend.reset(seed, one, drawn)
        self._settings.reset(int(seed) if isinstance(seed, (int, np.integer)) else None, mask)
        self._signals.reset(mask)
        for array in (self.clock, self._leaf_hist, self._episode_reward, self._episode_offloaded):
            array[mask] = 0
        for held in (self._team, self._sums, self._offloaded, self._spent_ns, self._interrupted):
            held[mask] = 0
        self._weight[mask] = 0
        self._usable = None

    def _clear_step(self) -> None:
        E = self.E
        self._team, self._sums = np.zeros(E), np.zeros((E, len(RESULTS)), np.int64)
        self._offloaded, self._spent_ns = np.zeros((E, self.N)), np.zeros(E, np.int64)
        self._interrupted = np.zeros(E, bool)

    def _window(self, running: np.ndarray) -> Telemetry:
        """One window of all environments; counts those that are `running` bool [E]."""
        assert self.telemetry is not None
        settings, before = self._settings, self.telemetry
        settings.decide(before)
        usable = self._routes.usable(before.present, before.active)
        if self._usable is None or not np.array_equal(usable, self._usable):
            self._usable = usable
            wanted = shares(self._weight, self._routes.valid(usable))
            settings.decision.share_milli[:, self.layout.owned] = self._routes.milli(wanted, usable)
        t = self.telemetry = self.backend.step(settings.decision)
        self._signals.push(t)
        self.clock += running
        for column, name in enumerate(_FIELDS):
            self._sums[:, column] += np.where(running, getattr(t, name).sum(1), 0)
        sent = np.where(running[:, None], self._signals.offloaded, 0.0)
        self._offloaded += sent
        price = TRANSFER_PRICE * sent.sum(1)
        gained = np.where(running, t.on_time_results.sum(1), 0) - price
        reward = gained / (STEP_S * self.results_per_s)
        self._team += reward
        self._episode_reward += reward
        self._episode_offloaded += sent.sum(1)
        self._spent_ns += np.where(running, t.window_ns, 0)
        self._leaf_hist += np.where(running[:, None], t.leaf_hist[:, self._leaves].sum(1, dtype=np.int64), 0)
        return t

    def _overload(self, t: Telemetry) -> tuple[np.ndarray, np.ndarray]:
        """Nodes whose load is above their capacity, bool [E, M]; deep queues of their instances, bool [E, ., 5]."""
        return self._signals.load > self.layout.capacity, t.queue[:, self._own] > DEEP

    def _finish(self, frame: OffloadFrame | None, rows: np.ndarray, begun: np.ndarray) -> OffloadFrame:
        """`frame` with the environments `rows` bool [E] as they are now; `begun`: those at an episode's start."""
        assert self.telemetry is not None
        now = self._now(self.telemetry, rows, begun)
        if frame is None:
            frame = now
        else:
            frame.take(now, rows)
        self.frame = frame
        return frame

    def _now(self, t: Telemetry, rows: np.ndarray, begun: np.ndarray) -> OffloadFrame:
        layout = self.layout
        usable = self._routes.usable(t.present, t.active)
        valid = self._routes.valid(usable)
        in_force = self._routes.in_force(t.share_milli)
        parts = state_parts(self._signals, t, in_force)
        present = t.present[:, layout.device] > 0
        fresh = np.stack([(t.valid[:, r] > 0).all(1) for r in self._agent_rows], 1)
        age = np.stack([t.age_ns[:, r].max(1) for r in self._agent_rows], 1)
        seen = (present & fresh | begun[:, None]) & rows[:, None]
        self._last = np.where(seen[..., None], self._observer.observations(t, parts, valid), self._last)
        team = self._team.astype(np.float32)
        load = self._signals.load[:, : self.N]
        heavy, _ = self._overload(t)
        values: dict[str, np.ndarray] = {
            "t_s": t.t_ns / 1e9,
            "window_s": self._spent_ns / 1e9,
            "interrupted": self._interrupted.copy(),
            "team_reward": team.astype(np.float64),
            **{f"results_{name}": column.copy() for name, column in zip(RESULTS, self._sums.T, strict=True)},
            "results_in_flight": t.in_flight.sum(1),
            "results_overdue": t.overdue.sum(1),
            "present": present,
            "mask": present.astype(np.int8),
            "fresh": fresh,
            "age_s": age / 1e9,
            "target_mask": valid.astype(np.int8),
            "shares": in_force,
            "demand": self._signals.demand.copy(),
            "load": load.copy(),
            "capacity": np.tile(layout.capacity[: self.N], (self.E, 1)),
            "overloaded": heavy[:, : self.N].copy(),
            "offloaded": self._offloaded.copy(),
        }
        reward = np.where(present, team[:, None], np.float32(0)).astype(np.float32)
        truncated = rows & ~begun & (self.clock >= self.horizon)
        figures = {int(e): self._figures(t, int(e)) for e in np.flatnonzero(truncated)}
        return OffloadFrame(self._last.copy(), reward, team, parts, values, truncated, figures)

    def _figures(self, t: Telemetry, e: int) -> dict[str, float]:
        figures = episode_figures(self.cluster, t, e, self._leaf_hist[e], 0.0, int(self.clock[e]))
        del figures["reward_mean"]
        figures["reward"] = float(self._episode_reward[e])
        figures["offloaded"] = float(self._episode_offloaded[e])
        return figures
