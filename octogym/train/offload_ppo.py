"""Training the learned offloader: one actor for all camera devices of a scenario, episode by episode.

The algorithm is `octogym.train.offload_ppo_learner`, the network that acts `octogym.agents.offload_network`, the policy
that runs it `octogym.agents.offload_actor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from octogym.agents import offload_network as network
from octogym.agents.offload_actor import KIND
from octogym.agents.ppo_network import Parameters
from octogym.cluster.offloading.layout import TOP_K, OffloadLayout
from octogym.cluster.scenario import Scenario
from octogym.cluster.tensor_file import write_tensors
from octogym.envs.offload.vector import OffloadVectorEnv
from octogym.train.checkpoint import POLICY_FILE, STATE_FILE, TrainingState, load_state, provenance, save_state
from octogym.train.offload_ppo_learner import GAMMA_S, Learner, Rollout
from octogym.train.progress import Progress
from octogym.train.settings import SettingError, number, run_folder, training_scenario, whole
from octogym.train.stopping import Stopping
from octogym.train.torch_extra import import_torch, torch_threads

#: Seeds of a run's environments: (seed + 1) x this, then one per environment and episode.
SEEDS = 1_000_000
#: Settings that a run which goes on may change.
_ASIDE = ("scenario", "out", "split", "threads", "resume", "board", "quiet")
_FIGURES = {"reward": "reward", "effective_throughput": "effective_throughput", "on_time_share": "on_time"}


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
        for name in ("seed", "top_k"):
            whole(self, name, 0)
        for name in ("num_envs", "episodes", "rollout", "epochs", "minibatches", "history", "threads"):
            whole(self, name)
        for name in ("lr", "clip", "max_grad_norm", "spread"):
            number(self, name, 0, above=True)
        for name in ("lam", "gamma"):
            number(self, name, 0, 1)
        for name in ("entropy", "value_weight"):
            number(self, name, 0)
        number(self, "own", -100, 100)
        if self.gamma == 1:
            raise SettingError("gamma", self.gamma, "a number from 0, below 1")
        if self.same_load and self.num_envs == 1:
            raise SettingError("same_load", True, "False where num_envs = 1: there is nothing to compare with")
        if self.episodes * self.num_envs > SEEDS:
            raise SettingError("episodes", self.episodes, f"at most {SEEDS // self.num_envs}: each takes new seeds")


@dataclass(frozen=True)
class OffloadPpoResult:
    """`history`: means over the clusters of each episode. `file`: the policy's checkpoint, if a folder was given."""

    parameters: Parameters
    history: list[dict[str, float]]
    file: Path | None
    interrupted: bool


def train_offload_ppo(config: OffloadPpoConfig) -> OffloadPpoResult:
    """Train; Ctrl-C or SIGTERM stops, and `resume=True` later gives what an uninterrupted run would have given.

    Raises:
        SettingError, ScenarioError: something in `config` cannot be used.
        ValueError: a scenario in which nothing can be offloaded.
        TensorFileError: the state to go on from is damaged or of another training.
        MissingExtra: torch, or with `board` TensorBoard, is not installed.
    """
    torch = import_torch()
    folder = run_folder(config.out, config.resume)
    scenario = training_scenario(config.scenario, config.split)
    run = _Run(config, scenario, folder)
    board = folder if config.board else None
    with (
        torch_threads(torch, 1),
        closing(run.env),
        Stopping() as stopping,
        Progress(config.episodes, KIND, "episode", config.quiet, board, len(run.history)) as bar,
    ):
        for figures in run.episodes(stopping):
            bar.advance(1, at=len(run.history) * run.steps_per_episode, **figures)
    file = folder / POLICY_FILE if folder is not None else None
    return OffloadPpoResult(run.learner.actor_arrays(), run.history, file, len(run.history) < config.episodes)


class _Run:
    """Environments, learner and what has been reached."""

    def __init__(self, config: OffloadPpoConfig, scenario: Scenario, folder: Path | None) -> None:
        self.config, self.folder = config, folder
        self.env = OffloadVectorEnv(
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
        self.shape, self.targets = (config.num_envs, layout.N), layout.T
        self.learner = Learner(config, network.kinds_of(layout))
        seconds = scenario.horizon_s if config.horizon is None else config.horizon
        self.steps = int(np.ceil(seconds / GAMMA_S))
        self.steps_per_episode = self.steps * config.num_envs * layout.N
        self.origin = provenance(scenario, config.seed, 0, method=KIND)
        self.identity = {
            **{f.name: getattr(config, f.name) for f in fields(config) if f.name not in _ASIDE},
            **{name: self.origin[name] for name in ("scenario_sha256", "traces_sha256")},
            "horizon": float(seconds),
        }
        self.history: list[dict[str, float]] = []
        if config.resume and folder is not None and (folder / STATE_FILE).exists():
            state = load_state(folder, KIND, self.identity)
            self.learner.load(folder / STATE_FILE, state.arrays)
            self.history = list(state.progress["history"])

    def episodes(self, stopping: Stopping) -> Iterator[dict[str, float]]:
        """Train episode by episode. Only whole episodes count: one that is stopped is run again."""
        while len(self.history) < self.config.episodes:
            figures = self._episode(len(self.history), stopping)
            if figures is None:
                return
            self.history.append({name: figures[name] for name in sorted(figures) if "/" not in name})
            self._save()
            yield figures

    def _episode(self, episode: int, stopping: Stopping) -> dict[str, float] | None:
        config = self.config
        seeds = (config.seed + 1) * SEEDS + episode * config.num_envs + np.arange(config.num_envs)
        if config.same_load:
            seeds[:] = seeds[0]
        last = self.env.reset(seed=seeds.tolist())
        losses = []
        for step in range(0, self.steps, config.rollout):
            rollout = Rollout(min(config.rollout, self.steps - step), *self.shape, self.targets, last[0].shape[-1])
            last = self._collect(rollout, last, (config.seed, episode, step), stopping)
            if stopping.asked:
                return None
            done = (episode + step / self.steps) / config.episodes
            losses.append(self.learner.learn(rollout, done, (config.seed, episode, step)))
        means = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        figures = last[1]["figures"]
        return {**{short: float(np.mean(figures[name])) for name, short in _FIGURES.items()}, **means}

    def _collect(self, rollout: Rollout, last: Any, drawn: tuple[int, int, int], stopping: Stopping) -> Any:
        """Fill `rollout`; `last` is the observation and infos before its first step, those after it are returned. Its
        last state is the one that the episode was cut off in, never the next episode's first."""
        (observation, infos), (seed, episode, step) = last, drawn
        for t in range(len(rollout.reward) + 1):
            rollout.observation[t] = observation.reshape(rollout.observation[t].shape)
            rollout.present[t] = infos["present"].reshape(self.shape)
            if t == len(rollout.reward) or stopping.asked:
                return observation, infos
            generator = np.random.default_rng([seed, episode, step + t, 2])
            rollout.drawn[t] = self.learner.draw(rollout.observation[t], generator)
            actions = network.actions(rollout.drawn[t])
            observation, _, _, _, infos = self.env.step(actions.reshape(-1, self.targets))
            rollout.reward[t] = infos["team_reward"].reshape(self.shape)[:, 0]
            rollout.window_s[t] = infos["window_s"].reshape(self.shape)[:, 0]

    def _save(self) -> None:
        if self.folder is None:
            return
        steps = len(self.history) * self.steps_per_episode
        layout = {"history": self.config.history, "top_k": self.config.top_k}
        about = {**self.origin, **layout, "settings": self.identity, "last": self.history[-1], "steps": steps}
        # The state last: a run that is killed in between does the episode again.
        write_tensors(self.folder / POLICY_FILE, self.learner.actor_arrays(), KIND, about)
        save_state(
            self.folder, KIND, TrainingState(self.learner.state_dict(), {"history": self.history}, self.identity)
        )
