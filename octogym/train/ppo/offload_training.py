"""Training the learned offloader: one actor for all camera devices of a scenario, episode by episode.

The algorithm is `octogym.train.ppo.offload_learner`, the network that acts `octogym.agents.ppo.offload_network`, the
policy that runs it `octogym.agents.ppo.offload_policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from octogym.agents.ppo import offload_network as network
from octogym.agents.ppo.offload_policy import KIND
from octogym.cluster.offloading.layout import TOP_K, OffloadLayout
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.vector import OffloadVectorEnv
from octogym.train.ppo.offload_learner import GAMMA_S, Learner, Rollout
from octogym.train.ppo.run import PpoResult, PpoRun, check_settings, train_run
from octogym.train.settings import SettingError, number, whole


@dataclass(frozen=True)
class OffloadPpoConfig:
    """What to train, and how.

    Args:
        out: folder for `policy.safetensors` and the state to go on from; None keeps nothing.
        episodes: of `horizon` seconds (the scenario's if None) in `num_envs` clusters at once.
        same_load: the clusters of an episode see the same load (each episode another), and what all of them gained at
            a moment is no advantage: so what is learned from is the difference that decisions made. Else each cluster
            has a load of its own.
        rollout: steps of 15 s between two updates; an update makes `epochs` passes in `minibatches` parts.
        gamma: discount over 15 s; over a shorter step accordingly less.
        own: score of the own device at the beginning, those of other targets being about 0: shares begin in
            proportion to exp(score). `spread`: deviation with which scores are drawn at the beginning.
        top_k, history: as in `offload_v0`.
        anneal: let the learning rate fall to 0 over the run.
        threads: CPU threads of the simulator; learning takes one, so that equal seeds give equal bytes.
        resume: go on where the run in `out` was stopped; begin if there is none.
        board: write TensorBoard events into `out`.
    """

    scenario: str | Path | Scenario = "campus-8"
    out: str | Path | None = None
    split: str = "train"
    seed: int = 0
    num_envs: int = 8
    episodes: int = 100
    horizon: float | None = None
    same_load: bool = True
    rollout: int = 3
    epochs: int = 8
    minibatches: int = 4
    lr: float = 3e-3
    anneal: bool = True
    gamma: float = 0.5
    lam: float = 0.95
    clip: float = 0.2
    entropy: float = 0.003
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    own: float = 1.5
    spread: float = 0.5
    top_k: int = TOP_K
    history: int = 32
    threads: int = 1
    resume: bool = False
    board: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
        whole(self, "top_k", 0)
        whole(self, "history")
        number(self, "spread", 0, above=True)
        number(self, "own", -100, 100)
        if self.gamma == 1:
            raise SettingError("gamma", self.gamma, "a number from 0, below 1")
        if self.same_load and self.num_envs == 1:
            raise SettingError("same_load", True, "False where num_envs = 1: there is nothing to compare with")


def train_offload_ppo(config: OffloadPpoConfig) -> PpoResult:
    """Train; Ctrl-C or SIGTERM stops, and `resume=True` later gives what an uninterrupted run would have given.

    Raises:
        SettingError, ScenarioError: something in `config` cannot be used.
        ValueError: a scenario in which nothing can be offloaded.
        TensorFileError: the state to go on from is damaged or of another training.
        MissingExtra: torch, or with `board` TensorBoard, is not installed.
    """
    return train_run(config, _Run)


class _Run(PpoRun):
    policy_kind = KIND
    figures: ClassVar = {"reward": "reward", "effective_throughput": "effective_throughput", "on_time_share": "on_time"}

    def __init__(self, config: OffloadPpoConfig, scenario: Scenario, folder: Path | None) -> None:
        env = OffloadVectorEnv(
            config.num_envs,
            scenario,
            rows="agents",
            horizon=config.horizon,
            autoreset_mode="Disabled",
            threads=config.threads,
            top_k=config.top_k,
            history=config.history,
        )
        layout = OffloadLayout(scenario.cluster, config.top_k)
        self.targets = layout.T
        learner = Learner(config, network.kinds_of(layout))
        seconds = float(scenario.horizon_s if config.horizon is None else config.horizon)
        steps, shape = int(np.ceil(seconds / GAMMA_S)), (config.num_envs, layout.N)
        super().__init__(config, scenario, folder, KIND, env, learner, shape, steps, seconds)

    def begin(self, episode: int) -> Any:
        seeds = self.first_seed(episode) + np.arange(self.config.num_envs)
        if self.config.same_load:
            seeds[:] = seeds[0]
        return self.env.reset(seed=seeds.tolist())

    def rollout(self, count: int, last: Any) -> Rollout:
        return Rollout(count, *self.shape, self.targets, last[0].shape[-1])

    def act(self, rollout: Rollout, t: int, episode: int, step: int) -> tuple[Any, Any]:
        generator = np.random.default_rng([self.config.seed, episode, step, 2])
        rollout.drawn[t] = self.learner.draw(rollout.observation[t], generator)
        actions = network.actions(rollout.drawn[t])
        observation, _, _, _, infos = self.env.step(actions.reshape(-1, self.targets))
        rollout.reward[t] = infos["team_reward"].reshape(self.shape)[:, 0]
        rollout.window_s[t] = infos["window_s"].reshape(self.shape)[:, 0]
        return observation, infos

    def about(self) -> dict[str, Any]:
        return {"history": self.config.history, "top_k": self.config.top_k}
