"""What trainings with PPO have in common: whole episodes in a batch of clusters, rollout by rollout, kept and gone on
with. What is stepped and what is learned is a subclass's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from octogym.agents.ppo.network import Parameters
from octogym.cluster.scenario import Scenario
from octogym.cluster.tensor_file import write_tensors
from octogym.train.checkpoint import POLICY_FILE, STATE_FILE, TrainingState, load_state, provenance, save_state
from octogym.train.progress import Progress
from octogym.train.settings import SettingError, number, run_folder, training_scenario, whole
from octogym.train.stopping import Stopping
from octogym.train.torch_extra import import_torch, torch_threads

#: Seeds of a run's environments: (seed + 1) x this, then one per environment and episode.
SEEDS = 1_000_000
#: Settings that a run which goes on may change.
_ASIDE = ("scenario", "out", "split", "threads", "resume", "board", "quiet")


def check_settings(config: Any, after: int = 0) -> None:
    """SettingError for settings that every training with PPO has and that cannot be used. `after`: episodes that a run
    plays with new seeds when it has been trained."""
    whole(config, "seed", 0)
    for name in ("num_envs", "episodes", "rollout", "epochs", "minibatches", "threads"):
        whole(config, name)
    for name in ("lr", "clip", "max_grad_norm"):
        number(config, name, 0, above=True)
    for name in ("gamma", "lam"):
        number(config, name, 0, 1)
    for name in ("entropy", "value_weight"):
        number(config, name, 0)
    if (config.episodes + after) * config.num_envs > SEEDS:
        allowed = f"at most {SEEDS // config.num_envs - after}: each takes new seeds"
        raise SettingError("episodes", config.episodes, allowed)


@dataclass(frozen=True)
class PpoResult:
    """`history`: means over the clusters of each episode. `file`: the policy's checkpoint, if a folder was given."""

    parameters: Parameters
    history: list[dict[str, float]]
    file: Path | None
    interrupted: bool


class PpoRun:
    """Environments, learner and what has been reached.

    Args:
        config: of the training; has `seed`, `num_envs`, `episodes`, `rollout`, `horizon` and `resume`.
        kind: of the state that a run goes on from.
        env, learner: stepped and taught; `shape`: (clusters, agents).
        steps: of an episode. `horizon`: what a run that goes on must share of its length.
    """

    #: What a checkpoint of the policy says it holds, and figures of an episode by their short names.
    policy_kind: ClassVar[str]
    figures: ClassVar[dict[str, str]]

    def __init__(
        self,
        config: Any,
        scenario: Scenario,
        folder: Path | None,
        kind: str,
        env: Any,
        learner: Any,
        shape: tuple[int, int],
        steps: int,
        horizon: float,
    ) -> None:
        self.config, self.folder, self.kind, self.env, self.learner = config, folder, kind, env, learner
        self.shape, self.steps = shape, steps
        self.steps_per_episode = steps * shape[0] * shape[1]
        self.origin = provenance(scenario, config.seed, 0, method=kind)
        self.identity = {
            **{f.name: getattr(config, f.name) for f in fields(config) if f.name not in _ASIDE},
            **{name: self.origin[name] for name in ("scenario_sha256", "traces_sha256")},
            "horizon": horizon,
        }
        self.history: list[dict[str, float]] = []
        if config.resume and folder is not None and (folder / STATE_FILE).exists():
            state = load_state(folder, kind, self.identity)
            learner.load(folder / STATE_FILE, state.arrays)
            self.history = list(state.progress["history"])

    def episodes(self, stopping: Stopping) -> Iterator[dict[str, float]]:
        """Train episode by episode. Only whole episodes count: one that is stopped is run again."""
        while len(self.history) < self.config.episodes:
            figures = self._episode(len(self.history), stopping)
            if figures is None:
                return
            self.history.append({name: figures[name] for name in sorted(figures) if "/" not in name})
            if len(self.history) == self.config.episodes:
                self.conclude()
            self._save()
            yield figures

    # --- a subclass's -----------------------------------------------------------------------------------------------
    def begin(self, episode: int) -> Any:
        """Reset the clusters; (observation, infos)."""
        return self.env.reset(seed=self.first_seed(episode))

    def rollout(self, count: int, last: Any) -> Any:
        """Room for `count` steps after `last`, (observation, infos)."""
        raise NotImplementedError

    def act(self, rollout: Any, t: int, episode: int, step: int) -> tuple[Any, Any]:
        """Take step `t` of a rollout, `step` of the episode, and keep what it gave; (observation, infos)."""
        raise NotImplementedError

    def conclude(self) -> None:
        """After the last episode, before it is kept."""

    def about(self) -> dict[str, Any]:
        """What else the policy's checkpoint says."""
        return {}

    # --- inside -----------------------------------------------------------------------------------------------------
    def first_seed(self, episode: int) -> int:
        return int((self.config.seed + 1) * SEEDS + episode * self.config.num_envs)

    def _episode(self, episode: int, stopping: Stopping) -> dict[str, float] | None:
        config = self.config
        last = self.begin(episode)
        losses = []
        for step in range(0, self.steps, config.rollout):
            rollout = self.rollout(min(config.rollout, self.steps - step), last)
            last = self._collect(rollout, last, episode, step, stopping)
            if stopping.asked:
                return None
            done = (episode + step / self.steps) / config.episodes
            losses.append(self.learner.learn(rollout, done, (config.seed, episode, step)))
        means = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        figures = last[1]["figures"]
        return {**{short: float(np.mean(figures[name])) for name, short in self.figures.items()}, **means}

    def _collect(self, rollout: Any, last: Any, episode: int, step: int, stopping: Stopping) -> Any:
        """Fill `rollout`; `last` is the observation and infos before its first step, those after it are returned. Its
        last state is the one that the episode was cut off in, never the next episode's first."""
        observation, infos = last
        for t in range(len(rollout.reward) + 1):
            rollout.observation[t] = observation.reshape(rollout.observation[t].shape)
            rollout.present[t] = infos["present"].reshape(self.shape)
            if t == len(rollout.reward) or stopping.asked:
                break
            observation, infos = self.act(rollout, t, episode, step + t)
        return observation, infos

    def _save(self) -> None:
        if self.folder is None:
            return
        steps = len(self.history) * self.steps_per_episode
        about = {**self.origin, **self.about(), "settings": self.identity, "last": self.history[-1], "steps": steps}
        # The state last: a run that is killed in between does the episode again.
        write_tensors(self.folder / POLICY_FILE, self.learner.actor_arrays(), self.policy_kind, about)
        state = TrainingState(self.learner.state_dict(), {"history": self.history}, self.identity)
        save_state(self.folder, self.kind, state)


def train_run(config: Any, make: Callable[[Any, Scenario, Path | None], PpoRun]) -> PpoResult:
    """Make a run and train it to its end or until Ctrl-C or SIGTERM."""
    torch = import_torch()
    folder = run_folder(config.out, config.resume)
    run = make(config, training_scenario(config.scenario, config.split), folder)
    board = folder if config.board else None
    with (
        torch_threads(torch, 1),
        closing(run.env),
        Stopping() as stopping,
        Progress(config.episodes, run.kind, "episode", config.quiet, board, len(run.history)) as bar,
    ):
        for figures in run.episodes(stopping):
            bar.advance(1, at=len(run.history) * run.steps_per_episode, **figures)
    file = folder / POLICY_FILE if folder is not None else None
    return PpoResult(run.learner.actor_arrays(), run.history, file, len(run.history) < config.episodes)
