"""Training of FCPO in the simulator: continual agents, federated or not, several systems (seeds) side by side.

```python
from octogym.train.fcpo import FcpoTraining, train_fcpo
result = train_fcpo(FcpoTraining("fcpo-testbed", seeds=(0, 1, 2), episodes=100, out="runs/fcpo"))
result.history["effective_throughput"]
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from octogym.agents.fcpo.file import KIND, write_fcpo
from octogym.agents.fcpo.policy import FcpoPolicy, Update
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.cluster.scenario import Scenario
from octogym.fed.config import FedConfig
from octogym.fed.in_process import RoundReport
from octogym.train.checkpoint import (
    POLICY_FILE,
    TrainingState,
    join_names,
    load_state,
    provenance,
    save_state,
    split_names,
)
from octogym.train.fcpo.federation import Federations
from octogym.train.fcpo.history import History
from octogym.train.fcpo.world import World
from octogym.train.progress import Progress
from octogym.train.settings import SettingError, number, one_of, run_folder, training_scenario, whole
from octogym.train.stopping import Stopping

HISTORY_FILE, ROUNDS_FILE = "history.csv", "rounds.csv"


@dataclass(frozen=True)
class FcpoTraining:
    """What is trained, and how long.

    Args:
        scenario: name, file or Scenario; `split`: part of its traces.
        seeds: one system each, all trained at once and independent of each other.
        episodes: local updates that every agent makes at least.
        envs: environments in parallel whose agents share their weights.
        federated: False: every agent learns alone. `hierarchical`: an edge server per device type and a cloud.
            `among`: who federates, "all" agents of a system or those of each "model" apart.
        settings, fed: constants of the agents and of the federation (whose clients take their episodes' lengths from
            the agents' settings). `name`: what the method is called in the file.
        warm: a checkpoint to start from.
        horizon_s: length of a simulated episode, the scenario's if None.
        beside: names of policies with a period of one window that decide what the agents do not, as
            ``octocross:FILE,shares``.
        threads: of the simulator.
        out: folder for checkpoints and history; `resume`: go on with the run that is there. `save_every`: simulated
            episodes between saves.
        board: TensorBoard, in `out`.

    Raises:
        SettingError: a value out of range; names the setting and what is allowed.
    """

    scenario: str | Path | Scenario
    split: str = "train"
    seeds: Sequence[int] = (0,)
    episodes: int = 300
    envs: int = 1
    federated: bool = True
    hierarchical: bool = False
    among: str = "all"
    settings: FcpoSettings = field(default_factory=FcpoSettings)
    fed: FedConfig = field(default_factory=FedConfig)
    name: str = "fcpo"
    warm: str | Path | None = None
    horizon_s: float | None = None
    beside: Sequence[str] = ()
    threads: int = 1
    out: str | Path | None = None
    resume: bool = False
    save_every: int = 5
    board: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("episodes", "envs", "threads", "save_every"):
            whole(self, name)
        one_of(self, "among", ("all", "model"))
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise SettingError("seeds", list(self.seeds), "different whole numbers from 0")
        if self.horizon_s is not None:
            number(self, "horizon_s", 0, above=True)
        if self.board and self.out is None:
            raise SettingError("board", True, "False, or out=FOLDER that holds it")


@dataclass(frozen=True)
class FcpoResult:
    """What a training left. `files`: checkpoint per seed, if there was a folder; `finished`: False if it was stopped.

    `history`: columns of `octogym.train.fcpo.history.COLUMNS`. `rounds`: (seed, report) of the federated rounds since
    the last resume.
    """

    history: dict[str, np.ndarray]
    rounds: list[tuple[int, RoundReport]]
    files: dict[int, Path]
    finished: bool
    policy: FcpoPolicy


def train_fcpo(config: FcpoTraining) -> FcpoResult:
    """Train FCPO's agents. Ctrl-C or SIGTERM stops at the next simulated episode's end, from where `resume` goes on
    as if nothing had happened.

    Raises:
        SettingError, ScenarioError, TensorFileError: a setting, scenario or file that cannot be used.
    """
    folder = run_folder(config.out, config.resume)
    training = _Training(config)
    if config.resume and folder is not None:
        training.load(load_state(folder, KIND, training.identity()))
    board = folder / "board" if folder is not None and config.board else None
    with (
        Stopping() as stopping,
        Progress(config.episodes, config.name, "episode", config.quiet, board, training.done) as progress,
    ):
        while training.done < config.episodes and not stopping.asked:
            training.live_on(progress)
            finished = training.done >= config.episodes
            if folder is not None and (finished or stopping.asked or training.episode % config.save_every == 0):
                training.save(folder)
    finished = training.done >= config.episodes
    files = training.export(folder) if folder is not None else {}
    columns = training.history.rows()
    reports = training.federations.reports if training.federations is not None else []
    named = [(config.seeds[k], report) for k, report in reports]
    training.world.close()
    return FcpoResult(columns, named, files, finished, training.policy)


class _Training:
    """The state of a training: world, policy, federations, history."""

    def __init__(self, config: FcpoTraining) -> None:
        self.config = config
        self.scenario = training_scenario(config.scenario, config.split)
        self.world = World(self.scenario, config.seeds, config.envs, config.horizon_s, config.threads, config.beside)
        warm = None if config.warm is None else str(config.warm)
        self.policy = FcpoPolicy(warm, config.settings, rows=config.envs, seeds=config.seeds)
        self.policy.reset(self.world.cluster, self.world.num_envs, int(config.seeds[0]))
        self.policy.on_updates = self._take
        self.federations: Federations | None = None
        if config.federated:
            self.federations = Federations(
                self.policy, self.world.cluster, self._fed(), config.seeds, config.hierarchical, config.among
            )
        self.history = History(self.world.cluster, config.seeds, config.envs)
        self.episode = 0
        self._updated: list[Update] = []
        self._made = np.zeros((len(config.seeds), self.world.cluster.S), np.int64)

    @property
    def done(self) -> int:
        """Updates of the agent that has made fewest."""
        return int(self._made.min())

    def live_on(self, progress: Progress) -> None:
        """One simulated episode."""
        period_ns = self.world.cluster.period_ns
        rounds = np.zeros(len(self.config.seeds), np.int64)
        for lived in self.world.episode(self.policy, self.episode):
            now_ns = (self.history.windows + 1) * period_ns
            if self.federations is not None:
                self.federations.after_step(now_ns, self._updated, lived.telemetry)
                rounds = self.federations.rounds
            before = self.done
            for update in self._updated:
                self._made[update.system, update.instance] += 1
            self.history.updates(self._updated)
            self._updated = []
            row = self.history.window(lived, self._made.min(1), rounds)
            if row is not None:
                shown = {name: row[name] for name in ("reward", "effective_throughput")}
                more = {f"loss/{n}": row[n] for n in ("loss", "policy_loss", "value_loss") if not np.isnan(row[n])}
                progress.advance(0, at=self.history.windows, **shown, **more, **{"on_time/share": row["on_time_share"]})
            gained = min(self.done, self.config.episodes) - min(before, self.config.episodes)
            if gained:
                progress.advance(gained, at=self.history.windows)
        self.episode += 1

    def identity(self) -> dict[str, Any]:
        """What a run that goes on from a saved state must share; the number of episodes may grow."""
        config = self.config
        about = provenance(self.scenario, int(config.seeds[0]), 0)
        same = ("scenario", "split", "cluster_sha256", "scenario_sha256", "traces_sha256")
        return {
            **{name: about[name] for name in same},
            "name": config.name,
            "seeds": [int(seed) for seed in config.seeds],
            "envs": config.envs,
            "federated": config.federated,
            "hierarchical": config.hierarchical,
            "among": config.among,
            "beside": list(config.beside),
            "settings": _plain(config.settings.as_plain()),
            "fed": _plain(asdict(self._fed())),
            "horizon": self.world.windows,
            "warm": None if config.warm is None else str(config.warm),
        }

    def save(self, folder: Path) -> None:
        parts: dict[str, dict[str, np.ndarray]] = {
            "policy": self.policy.state_dict(),
            "history": self.history.state(),
            "made": {"made": self._made},
        }
        progress: dict[str, Any] = {"episode": self.episode}
        if self.federations is not None:
            parts["fed"], progress["fed"] = self.federations.state_dict()
        save_state(folder, KIND, TrainingState(join_names(**parts), progress, self.identity()))

    def load(self, state: TrainingState) -> None:
        self.policy.load(split_names(state.arrays, "policy"))
        self.history.load(split_names(state.arrays, "history"))
        self._made[:] = state.arrays["made/made"]
        self.episode = int(state.progress["episode"])
        if self.federations is not None:
            self.federations.load(split_names(state.arrays, "fed"), state.progress["fed"])

    def export(self, folder: Path) -> dict[int, Path]:
        """The policy's file of every seed, the history, the rounds."""
        self.history.write(folder / HISTORY_FILE)
        instances = self.world.cluster.instances
        agents: list[dict[str, dict[str, np.ndarray]]] = [{} for _ in self.config.seeds]
        for k, s, stack, i in self.policy.population.members():
            agents[k][instances[s].id] = stack.get(i)
        files = {}
        for k, seed in enumerate(self.config.seeds):
            shared = self.federations.shared(k) if self.federations is not None else {}
            about = provenance(
                self.scenario,
                int(seed),
                self.history.windows * self.config.envs,
                name=self.config.name,
                federated=self.config.federated,
                episodes=int(self._made[k].min()),
            )
            single = len(self.config.seeds) == 1
            path = folder / POLICY_FILE if single else folder / f"seed-{seed}" / POLICY_FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            files[int(seed)] = write_fcpo(path, self.config.settings, agents[k], shared, about)
        return files

    def _take(self, updates: list[Update]) -> None:
        self._updated += updates

    def _fed(self) -> FedConfig:
        iagent = self.config.settings.iagent
        client = replace(
            self.config.fed.client,
            steps=iagent.steps,
            steps_growth=iagent.steps_growth,
            steps_max=iagent.steps_max,
        )
        return replace(self.config.fed, client=client)


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples are lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
