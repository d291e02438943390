"""Training IPPO and MAPPO: one network for all agents of a scenario, episode by episode.

The algorithm is `octogym.train.ppo.learner`, the network that acts `octogym.agents.ppo.network`, the policy that runs
it `octogym.agents.ppo.policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from octogym.agents.ppo import network
from octogym.agents.ppo.policy import KIND
from octogym.agents.sampling import HEADS, action_uniforms
from octogym.cluster.scenario import Scenario
from octogym.envs.vector import BatchingVectorEnv
from octogym.train.ppo.learner import Learner, Rollout
from octogym.train.ppo.run import PpoResult, PpoRun, check_settings, train_run
from octogym.train.settings import one_of


@dataclass(frozen=True)
class PpoConfig:
    """What to train, and how.

    Args:
        method: "ippo" (each agent's value from its own observation) or "mappo" (from all of them).
        out: folder for `policy.safetensors` and the state to go on from; None keeps nothing.
        episodes: of `horizon` seconds (the scenario's if None) in `num_envs` clusters at once, each episode with
            seeds of its own.
        rollout: windows between two updates (with a small gamma few are enough); an update makes `epochs` passes in
            `minibatches` parts.
        reward: "own" (Eq. 1 of the agent), "team" (its mean over all agents that are there; what an agent does to
            others on its GPU counts), or None: "own" for ippo, "team" for mappo.
        anneal: let the learning rate fall to 0 over the run.
        threads: CPU threads of the simulator; learning takes one, so that equal seeds give equal bytes.
        resume: go on where the run in `out` was stopped; begin if there is none.
        board: write TensorBoard events into `out`.
    """

    scenario: str | Path | Scenario = "traffic-2"
    method: str = "ippo"
    out: str | Path | None = None
    split: str = "train"
    seed: int = 0
    num_envs: int = 8
    episodes: int = 40
    horizon: float | None = None
    rollout: int = 50
    epochs: int = 4
    minibatches: int = 4
    lr: float = 1e-3
    anneal: bool = True
    gamma: float = 0.1
    lam: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    reward: str | None = None
    threads: int = 1
    resume: bool = False
    board: bool = False
    quiet: bool = False

    @property
    def team(self) -> bool:
        """Whether agents share their reward."""
        return self.reward == "team" or (self.reward is None and self.method == "mappo")

    def __post_init__(self) -> None:
        one_of(self, "method", ("ippo", "mappo"))
        one_of(self, "reward", ("own", "team", None))
        check_settings(self, after=1)


def train_ppo(config: PpoConfig) -> PpoResult:
    """Train; Ctrl-C or SIGTERM stops, and `resume=True` later gives what an uninterrupted run would have given.

    Raises:
        SettingError, ScenarioError: something in `config` cannot be used.
        TensorFileError: the state to go on from is damaged or of another training.
        MissingExtra: torch, or with `board` TensorBoard, is not installed.
    """
    return train_run(config, _Run)


class _Run(PpoRun):
    policy_kind = KIND
    figures: ClassVar = {
        "reward_mean": "reward",
        "effective_throughput": "effective_throughput",
        "on_time_share": "on_time",
    }

    def __init__(self, config: PpoConfig, scenario: Scenario, folder: Path | None) -> None:
        env = BatchingVectorEnv(
            config.num_envs,
            scenario,
            rows="agents",
            horizon=config.horizon,
            autoreset_mode="Disabled",
            threads=config.threads,
        )
        cluster = scenario.cluster
        kinds = [network.kind_of(cluster, s) for s in range(cluster.S)]
        self.kinds, sizes = sorted(set(kinds)), network.sizes_of(cluster)
        self.heads = tuple(int(n) for n in sizes.max(0))
        kind = np.array([self.kinds.index(name) for name in kinds])
        learner = Learner(config, kind, sizes, len(self.kinds), self.heads)
        seconds = scenario.horizon_s if config.horizon is None else config.horizon
        windows, shape = round(seconds * 1e9 / cluster.period_ns), (config.num_envs, cluster.S)
        #: Whether the policy samples its actions or takes the likeliest; what scores better is tried at the end.
        self.sample = True
        super().__init__(config, scenario, folder, config.method, env, learner, shape, windows, windows)

    def rollout(self, count: int, last: Any) -> Rollout:
        return Rollout(count, *self.shape)

    def act(self, rollout: Rollout, t: int, episode: int, step: int) -> tuple[Any, Any]:
        u = action_uniforms(self.first_seed(episode), *self.shape, step)
        rollout.action[t] = self.learner.act(rollout.observation[t], u)
        observation, reward, _, _, infos = self.env.step(rollout.action[t].reshape(-1, HEADS))
        rollout.reward[t] = reward.reshape(self.shape)
        return observation, infos

    def conclude(self) -> None:
        self.sample = self._try(True) >= self._try(False)

    def about(self) -> dict[str, Any]:
        return {"kinds": self.kinds, "heads": list(self.heads), "sample": self.sample}

    def _try(self, sample: bool) -> float:
        """On-time share in an episode of seeds that training does not use."""
        seed = self.first_seed(self.config.episodes)
        observation, infos = self.env.reset(seed=seed)
        for t in range(self.steps):
            u = action_uniforms(seed, *self.shape, t) if sample else None
            action = self.learner.act(observation.reshape(*self.shape, -1), u)
            observation, _, _, _, infos = self.env.step(action.reshape(-1, HEADS))
        return float(np.mean(infos["figures"]["on_time_share"]))
