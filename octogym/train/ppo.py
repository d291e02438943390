"""Training IPPO and MAPPO: one network for all agents of a scenario, episode by episode.

The algorithm is `octogym.train.ppo_learner`, the network that acts `octogym.agents.ppo_network`, the policy that runs
it `octogym.agents.ppo_policy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from octogym.agents import ppo_network as network
from octogym.agents.ppo_policy import KIND
from octogym.agents.sampling import HEADS, action_uniforms
from octogym.cluster.scenario import Scenario
from octogym.cluster.tensor_file import write_tensors
from octogym.envs.vector import BatchingVectorEnv
from octogym.train.checkpoint import (
    POLICY_FILE,
    STATE_FILE,
    TrainingState,
    load_state,
    provenance,
    save_state,
)
from octogym.train.ppo_learner import Learner, Rollout
from octogym.train.progress import Progress
from octogym.train.settings import SettingError, number, one_of, run_folder, training_scenario, whole
from octogym.train.stopping import Stopping
from octogym.train.torch_extra import import_torch, torch_threads

#: Seeds of a run's environments: (seed + 1) x this, then one per environment and episode.
SEEDS = 1_000_000
#: Settings that a run which goes on may change.
_ASIDE = ("scenario", "out", "split", "threads", "resume", "board", "quiet")
_FIGURES = {"reward_mean": "reward", "effective_throughput": "effective_throughput", "on_time_share": "on_time"}


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
        whole(self, "seed", 0)
        for name in ("num_envs", "episodes", "rollout", "epochs", "minibatches", "threads"):
            whole(self, name)
        for name in ("lr", "clip", "max_grad_norm"):
            number(self, name, 0, above=True)
        for name in ("gamma", "lam"):
            number(self, name, 0, 1)
        for name in ("entropy", "value_weight"):
            number(self, name, 0)
        if (self.episodes + 1) * self.num_envs > SEEDS:
            raise SettingError("episodes", self.episodes, f"at most {SEEDS // self.num_envs - 1}: each takes new seeds")


@dataclass(frozen=True)
class PpoResult:
    """`history`: means over the clusters of each episode. `file`: the policy's checkpoint, if a folder was given."""

    parameters: network.Parameters
    history: list[dict[str, float]]
    file: Path | None
    interrupted: bool


def train_ppo(config: PpoConfig) -> PpoResult:
    """Train; Ctrl-C or SIGTERM stops, and `resume=True` later gives what an uninterrupted run would have given.

    Raises:
        SettingError, ScenarioError: something in `config` cannot be used.
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
        Progress(config.episodes, config.method, "episode", config.quiet, board, len(run.history)) as bar,
    ):
        for figures in run.episodes(stopping):
            bar.advance(1, at=len(run.history) * run.steps_per_episode, **figures)
    file = folder / POLICY_FILE if folder is not None else None
    return PpoResult(run.learner.actor_arrays(), run.history, file, len(run.history) < config.episodes)


class _Run:
    """Environments, learner and what has been reached."""

    def __init__(self, config: PpoConfig, scenario: Scenario, folder: Path | None) -> None:
        self.config, self.folder = config, folder
        self.env = BatchingVectorEnv(
            config.num_envs,
            scenario,
            rows="agents",
            horizon=config.horizon,
            autoreset_mode="Disabled",
            threads=config.threads,
        )
        cluster, self.shape = scenario.cluster, (config.num_envs, scenario.cluster.S)
        kinds = [network.kind_of(cluster, s) for s in range(cluster.S)]
        self.kinds, sizes = sorted(set(kinds)), network.sizes_of(cluster)
        self.heads = tuple(int(n) for n in sizes.max(0))
        kind = np.array([self.kinds.index(name) for name in kinds])
        self.learner = Learner(config, kind, sizes, len(self.kinds), self.heads)
        seconds = scenario.horizon_s if config.horizon is None else config.horizon
        self.windows = round(seconds * 1e9 / cluster.period_ns)
        self.steps_per_episode = self.windows * config.num_envs * cluster.S
        self.origin = provenance(scenario, config.seed, 0, method=config.method)
        self.identity = {
            **{f.name: getattr(config, f.name) for f in fields(config) if f.name not in _ASIDE},
            **{name: self.origin[name] for name in ("scenario_sha256", "traces_sha256")},
            "horizon": self.windows,
        }
        self.history: list[dict[str, float]] = []
        #: Whether the policy samples its actions or takes the likeliest; what scores better is tried at the end.
        self.sample = True
        if config.resume and folder is not None and (folder / STATE_FILE).exists():
            state = load_state(folder, config.method, self.identity)
            self.learner.load(folder / STATE_FILE, state.arrays)
            self.history = list(state.progress["history"])

    def episodes(self, stopping: Stopping) -> Iterator[dict[str, float]]:
        """Train episode by episode. Only whole episodes count: one that is stopped is run again."""
        while len(self.history) < self.config.episodes:
            figures = self._episode(len(self.history), stopping)
            if figures is None:
                return
            self.history.append({name: figures[name] for name in sorted(figures) if "/" not in name})
            if len(self.history) == self.config.episodes:
                self.sample = self._try(True) >= self._try(False)
            self._save()
            yield figures

    def _episode(self, episode: int, stopping: Stopping) -> dict[str, float] | None:
        seed = (self.config.seed + 1) * SEEDS + episode * self.config.num_envs
        last = self.env.reset(seed=seed)
        losses = []
        for step in range(0, self.windows, self.config.rollout):
            rollout = Rollout(min(self.config.rollout, self.windows - step), *self.shape)
            last = self._collect(rollout, last, (seed, step), stopping)
            if stopping.asked:
                return None
            done = (episode + step / self.windows) / self.config.episodes
            losses.append(self.learner.learn(rollout, done, (self.config.seed, episode, step)))
        means = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        figures = last[1]["figures"]
        return {**{short: float(np.mean(figures[name])) for name, short in _FIGURES.items()}, **means}

    def _try(self, sample: bool) -> float:
        """On-time share in an episode of seeds that training does not use."""
        seed = (self.config.seed + 1) * SEEDS + self.config.episodes * self.config.num_envs
        observation, infos = self.env.reset(seed=seed)
        for t in range(self.windows):
            u = action_uniforms(seed, *self.shape, t) if sample else None
            action = self.learner.act(observation.reshape(*self.shape, -1), u)
            observation, _, _, _, infos = self.env.step(action.reshape(-1, HEADS))
        return float(np.mean(infos["figures"]["on_time_share"]))

    def _collect(self, rollout: Rollout, last: Any, drawn: tuple[int, int], stopping: Stopping) -> Any:
        """Fill `rollout`; `last` is the observation and infos before its first window, those after it are returned.
        Its last state is the one that the episode was cut off in, never the next episode's first."""
        (observation, infos), (seed, step) = last, drawn
        for t in range(len(rollout.reward) + 1):
            rollout.observation[t] = observation.reshape(rollout.observation[t].shape)
            rollout.present[t] = infos["present"].reshape(self.shape)
            if t == len(rollout.reward) or stopping.asked:
                return observation, infos
            rollout.action[t] = self.learner.act(rollout.observation[t], action_uniforms(seed, *self.shape, step + t))
            observation, reward, _, _, infos = self.env.step(rollout.action[t].reshape(-1, HEADS))
            rollout.reward[t] = reward.reshape(self.shape)

    def _save(self) -> None:
        if self.folder is None:
            return
        steps = len(self.history) * self.steps_per_episode
        layout = {"kinds": self.kinds, "heads": list(self.heads), "sample": self.sample}
        about = {**self.origin, **layout, "settings": self.identity, "last": self.history[-1], "steps": steps}
        # The state last: a run that is killed in between does the episode again.
        write_tensors(self.folder / POLICY_FILE, self.learner.actor_arrays(), KIND, about)
        state = TrainingState(self.learner.state_dict(), {"history": self.history}, self.identity)
        save_state(self.folder, self.config.method, state)
