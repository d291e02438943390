"""The offloading problem over any backend, as arrays. Every environment is a thin layer over this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from octogym.cluster.backend import Backend, Policy, Seed
from octogym.cluster.offloading.layout import TOP_K
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import BINS, Telemetry
from octogym.envs.figures import episode_figures
from octogym.envs.offload.frame import RESULTS, OffloadFrame
from octogym.envs.offload.problem import HISTORY, OffloadProblem
from octogym.envs.offload.settings import Settings
from octogym.envs.offload.turns import Turns
from octogym.envs.opening import open_backend
from octogym.envs.options import Randomiser, check_options
from octogym.envs.windows import windows_of

#: The scenario where none is named.
QUICK_START = "campus-8"
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
        self.interrupt = bool(interrupt)
        self.problem = OffloadProblem(self.backend, top_k, history, results_per_s)
        self.layout, self.agents = self.problem.layout, self.problem.agents
        self.N, self.T = self.problem.N, self.problem.T
        self.horizon_s = float(self.scenario.horizon_s if horizon is None else horizon)
        self.horizon = windows_of(self.horizon_s, cluster.period_ns)
        self._turns = Turns(self.E, cluster.period_ns, self.interrupt)
        self._settings = Settings(self.backend, self.layout.owned, others)
        self._randomiser = Randomiser(randomise, self.E) if randomise else None
        self._leaves = np.flatnonzero([not cluster.out_edges(i.stage) for i in cluster.instances])
        #: int64 [E]: windows since the reset.
        self.clock = np.zeros(self.E, np.int64)
        self._leaf_hist = np.zeros((self.E, BINS), np.int64)
        self._clear_step()
        self.telemetry: Telemetry | None = None
        self.frame: OffloadFrame | None = None

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
        self.problem.decide(actions, self.telemetry)

    def advance(self, restart: np.ndarray | None = None) -> OffloadFrame:
        """One step of all environments; those of `restart` bool [E] begin a new episode instead."""
        assert self.frame is not None and self.telemetry is not None
        if restart is not None and restart.all():
            return self.reset()
        frame = self.frame.copy()
        running = np.ones(self.E, bool) if restart is None else ~restart
        self._clear_step()
        self._turns.begin(self.problem.overload(self.telemetry))
        while running.any():
            t = self._window(running)
            over = running & (self.clock >= self.horizon)
            stop, self._interrupted = self._turns.end(running, over, self.problem.overload(t))
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
    def _begin(self, seed: Seed, mask: np.ndarray, options: dict[str, Any]) -> None:
        if self.horizon_s > self.scenario.horizon_s:
            options = {**options, "horizon_s": self.horizon_s}
        if self._randomiser is None:
            self.telemetry = self.backend.reset(seed, None if mask.all() else mask, options)
        else:
            for one, drawn in self._randomiser.draw(seed, mask, options):
                self.telemetry = self.backend.reset(seed, one, drawn)
        self._settings.reset(int(seed) if isinstance(seed, (int, np.integer)) else None, mask)
        self.problem.begin(mask)
        self.clock[mask] = self._leaf_hist[mask] = 0
        for held in (self._team, self._sums, self._offloaded, self._spent_ns, self._interrupted):
            held[mask] = 0

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
        self.problem.put(before, settings.decision.share_milli)
        t = self.telemetry = self.backend.step(settings.decision)
        self.clock += running
        reward, sent = self.problem.push(t, running)
        self._team += reward
        self._offloaded += sent
        for column, name in enumerate(_FIELDS):
            self._sums[:, column] += np.where(running, getattr(t, name).sum(1), 0)
        self._spent_ns += np.where(running, t.window_ns, 0)
        self._leaf_hist += np.where(running[:, None], t.leaf_hist[:, self._leaves].sum(1, dtype=np.int64), 0)
        return t

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
        sight = self.problem.look(t, rows, begun)
        team = self._team.astype(np.float32)
        values: dict[str, np.ndarray] = {
            "t_s": t.t_ns / 1e9,
            "window_s": self._spent_ns / 1e9,
            "interrupted": self._interrupted.copy(),
            "team_reward": team.astype(np.float64),
            **{f"results_{name}": column.copy() for name, column in zip(RESULTS, self._sums.T, strict=True)},
            "results_in_flight": t.in_flight.sum(1),
            "results_overdue": t.overdue.sum(1),
            **sight.values,
            "offloaded": self._offloaded.copy(),
        }
        reward = np.where(sight.values["present"], team[:, None], np.float32(0)).astype(np.float32)
        truncated = rows & ~begun & (self.clock >= self.horizon)
        figures = {int(e): self._figures(t, int(e)) for e in np.flatnonzero(truncated)}
        return OffloadFrame(sight.observation, reward, team, sight.parts, values, truncated, figures)

    def _figures(self, t: Telemetry, e: int) -> dict[str, float]:
        figures = episode_figures(self.cluster, t, e, self._leaf_hist[e], 0.0, int(self.clock[e]))
        del figures["reward_mean"]
        figures["reward"] = float(self.problem.reward[e])
        figures["offloaded"] = float(self.problem.offloaded[e])
        return figures
