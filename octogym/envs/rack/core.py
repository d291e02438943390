"""Both problems over one backend: FCPO's agents in every window, offloading's where a decision is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from octogym.cluster.backend import Policy, Seed
from octogym.envs.core import BatchingCore
from octogym.envs.frame import Frame
from octogym.envs.offload.actions import weights
from octogym.envs.offload.problem import OffloadProblem
from octogym.envs.offload.settings import Settings
from octogym.envs.offload.turns import Turns
from octogym.envs.rack.frame import RackFrame
from octogym.envs.spaces import joined, with_devices

_SETTINGS = ("pack", "batch", "pre", "post", "timeout_ns")


class RackCore:
    """One environment with A batching and N offloading agents on one backend. A step is `decide`, then `advance`; a
    frame is new in every step.

    Args:
        batching: whose backend is used; the others as in `octogym.envs.rack_v0`.

    `due`: whether the offloading agents' next actions count; `columns` int64 [A]: the instances that have agents,
    `agents` their ids.

    Raises:
        ValueError: no instance has an agent, or there is nothing to offload.
    """

    def __init__(
        self,
        batching: BatchingCore,
        interrupt: bool,
        top_k: int,
        history: int,
        others: str | Policy | None,
        results_per_s: float | None,
    ) -> None:
        self.batching, self.backend, self.scenario = batching, batching.backend, batching.scenario
        self.cluster, self.E = batching.cluster, batching.E
        instances = self.cluster.instances
        self.columns = np.flatnonzero([instance.agent_controlled for instance in instances])
        if not len(self.columns):
            raise ValueError(
                f"scenario {self.cluster.name!r}: no instance has agent = true, so nobody decides about batching; "
                "allowed: scenarios with such instances, as campus-16-rack and city-16-rack, or offload_v0"
            )
        self.problem = OffloadProblem(self.backend, top_k, history, results_per_s)
        self.agents = tuple(instances[s].id for s in self.columns)
        self._turns = Turns(self.E, self.cluster.period_ns, interrupt)
        self._settings = Settings(self.backend, self.problem.layout.owned, others, self.columns.tolist())
        self._rest = np.setdiff1d(np.arange(self.cluster.S), self.columns)
        self.due, self._team = True, 0.0
        self._left = np.zeros((self.problem.N, 1), np.float32)
        self._yes, self._no = np.ones(self.E, bool), np.zeros(self.E, bool)
        self.frame: RackFrame | None = None

    def offload_space(self) -> spaces.Box:
        """A new space of an offloading agent's observation: `offload_v0`'s, then the part of 15 s until its turn."""
        return joined(self.problem.observation_space(), _wait_space())

    # --- an episode -------------------------------------------------------------------------------------------------
    def reset(self, seed: Seed = None, options: Mapping[str, Any] | None = None) -> RackFrame:
        """Start a new episode.

        Raises:
            ValueError: an option that is not known.
        """
        frame = self.batching.reset(seed, options=options)
        self._settings.reset(int(seed) if isinstance(seed, (int, np.integer)) else None, self._yes)
        self.problem.begin(self._yes)
        self.due, self._team = True, 0.0
        self._turns.passed[:] = 0
        return self._finish(frame, np.zeros((1, self.problem.N)), begun=True, interrupted=False)

    def decide(self, settings: np.ndarray, shares: np.ndarray) -> None:
        """What the agents do in the next window: `settings` int64 [A * 3], contiguous; `shares` [1, N, T] from -1 to
        1, which count if they are `due` (and are looked at in any case).

        Raises:
            ValueError: a value out of range, or of the wrong type, naming the agent.
        """
        t = self.batching.telemetry
        assert t is not None
        self.batching.decide_flat(settings, self.columns)
        if self.due:
            self.problem.decide(shares, t)
            self._turns.begin(self.problem.overload(t))
            self._team = 0.0
        else:
            weights(shares, self.problem.layout, self.E)

    def advance(self) -> RackFrame:
        """One window."""
        batching, settings = self.batching, self._settings
        before = batching.telemetry
        assert before is not None
        settings.decide(before)
        self.problem.put(before, settings.decision.share_milli)
        np.copyto(batching.decision.active, settings.decision.active)
        np.copyto(batching.decision.share_milli, settings.decision.share_milli)
        for name in _SETTINGS:
            getattr(batching.decision, name)[:, self._rest] = getattr(settings.decision, name)[:, self._rest]
        frame = batching.advance()
        t = batching.telemetry
        assert t is not None
        reward, sent = self.problem.push(t, self._yes)
        self._team += float(reward[0])
        over = frame.truncated is not None
        stop, interrupted = self._turns.end(self._yes, self._yes if over else self._no, self.problem.overload(t))
        self.due = bool(stop[0])
        settings.learn(t, over)
        if frame.figures is not None:
            totals = {"reward": float(self.problem.reward[0]), "offloaded": float(self.problem.offloaded[0])}
            frame.figures[0].update(totals)
        return self._finish(frame, sent, begun=False, interrupted=bool(interrupted[0]))

    def state_dict(self) -> dict[str, np.ndarray]:
        """The state by name, float32: `batching_v0`'s of the agents, `offload_v0`'s, the part of 15 s until the next
        decision about shares; copies.

        Raises:
            gymnasium.error.ResetNeeded: no episode has begun.
        """
        t = self.batching.telemetry
        if self.frame is None or t is None:
            raise ResetNeeded("state: no episode has begun; call reset() first")
        return {
            "instances": self.batching.observation[0, self.columns],
            "devices": t.present[0].astype(np.float32),
            **{name: part[0].copy() for name, part in self.frame.parts.items()},
            "wait": np.array([self._wait() / self._turns.longest], np.float32),
        }

    def state_space(self) -> spaces.Box:
        """A new space of the parts of `state_dict`, one after the other."""
        first = with_devices(self.batching.observation_space(), len(self.columns), self.cluster.D)
        return joined(first, self.problem.state_space(), _wait_space())

    def close(self) -> None:
        self.batching.close()

    # --- inside -----------------------------------------------------------------------------------------------------
    def _wait(self) -> int:
        """Windows of the longest turn that are left, 0 if an action is due."""
        return 0 if self.due else self._turns.longest - int(self._turns.passed[0])

    def _finish(self, batching: Frame, sent: np.ndarray, begun: bool, interrupted: bool) -> RackFrame:
        t = self.batching.telemetry
        assert t is not None
        sight = self.problem.look(t, self._yes, self._yes if begun else self._no)
        wait, team = self._wait(), np.float32(self._team)
        left = np.float32(wait / self._turns.longest)
        self._left = np.where(sight.seen[0][:, None], left, self._left)
        period_s = self.cluster.period_ns / 1e9
        turn = {
            "due": self.due,
            "wait_s": wait * period_s,
            "since_s": float(self._turns.passed[0]) * period_s,
            "interrupted": interrupted,
            "team_reward": float(team),
        }
        paid = sight.values["present"][0] & self.due
        self.frame = RackFrame(
            batching,
            np.concatenate([sight.observation[0], self._left], 1),
            np.where(paid, team, np.float32(0)),
            {**sight.values, "offloaded": sent},
            turn,
            sight.parts,
        )
        return self.frame


def _wait_space() -> spaces.Box:
    return spaces.Box(0.0, 1.0, (1,), np.float32)
