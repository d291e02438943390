"""The simulated clusters that FCPO's agents live in while they train: episode after episode, never the same twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from octogym.agents.fcpo import FcpoPolicy
from octogym.cluster.backend import View
from octogym.cluster.rate import RateMeter
from octogym.cluster.registry import make_backend, make_policy
from octogym.cluster.reward import FcpoReward
from octogym.cluster.runner import Merger
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry


@dataclass(frozen=True)
class Lived:
    """One window, after it. `reward` float32 [E, S] is Eq. 1's, whatever the agents learn from."""

    telemetry: Telemetry
    reward: np.ndarray


class World:
    """E = systems x rows environments of one scenario, stepped by one policy.

    An episode is the scenario's horizon (or `horizon_s`). Its environments' seeds come from the system's seed, the row
    and the episode's number alone: a system lives through the same whatever trains beside it.

    ``beside``: names of policies that decide what the agents do not, for example shares; they begin anew in every
    episode.
    """

    def __init__(
        self,
        scenario: Scenario,
        seeds: Sequence[int],
        rows: int,
        horizon_s: float | None = None,
        threads: int = 1,
        beside: Sequence[str] = (),
    ) -> None:
        self.scenario, self.seeds, self.rows = scenario, tuple(seeds), rows
        self.num_envs = len(self.seeds) * rows
        self.backend = make_backend("sim", scenario, num_envs=self.num_envs, threads=threads, check=False)
        self.cluster = self.backend.cluster
        horizon = scenario.horizon_s if horizon_s is None else horizon_s
        #: Windows in an episode.
        self.windows = max(1, round(horizon * 1e9 / self.cluster.period_ns))
        self._device = np.array([instance.device for instance in self.cluster.instances], np.intp)
        self._due = np.ones((self.num_envs, self.cluster.S), bool)
        self._reward = FcpoReward()
        self._beside, self._names = [make_policy(name) for name in beside], ("fcpo", *beside)

    def environment_seeds(self, episode: int) -> np.ndarray:
        """int64 [E], below 2^53."""
        return np.array(
            [
                int(np.random.SeedSequence([seed, row, episode]).generate_state(1, np.uint64)[0] >> np.uint64(11))
                for seed in self.seeds
                for row in range(self.rows)
            ],
            np.int64,
        )

    def episode(self, policy: FcpoPolicy, episode: int) -> Iterator[Lived]:
        """The windows of one episode; the policy, reset before, goes on with what it has learned."""
        seeds = self.environment_seeds(episode)
        telemetry = self.backend.reset(seeds.tolist())
        policy.begin(self.cluster, seeds)
        for other in self._beside:
            other.reset(self.cluster, self.num_envs, int(seeds[0]))
        merger = Merger(self.cluster, self.num_envs, self._names) if self._beside else None
        meter = RateMeter(self.num_envs, self.cluster.S, self.cluster.period_ns)
        view = self._view(telemetry, 0)
        for step in range(self.windows):
            decision = policy.act(view)
            if merger is not None:
                decision = merger.merge([decision, *(other.act(view) for other in self._beside)])
            telemetry = self.backend.step(decision)
            rate = meter.push(telemetry.arrived)
            view = self._view(telemetry, step + 1)
            reward = self._reward(telemetry, rate, view.present)
            policy.feedback(reward, view)
            yield Lived(telemetry, reward)

    def close(self) -> None:
        self.backend.close()

    def _view(self, telemetry: Telemetry, step: int) -> View:
        present = telemetry.present[:, self._device] > 0
        return View(telemetry, self.cluster, step, self._due, present, self.backend)
