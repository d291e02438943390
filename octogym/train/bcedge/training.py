"""Training BCEdge offline, one agent per device type (specs of the published code: FCPO's repository, bcedge.cpp and
its offline trainer).

Adam 1e-3, PPO's clipped loss at 0.9 plus half the value loss, gamma = lambda = 0.1, one gradient step for every 7000
experiences. Ours: consistent seconds in the reward (the published code mixes microseconds and seconds), throughput in
images (`throughput="batches"` counts as published), concurrency in the profile model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from octogym.agents.bcedge import network
from octogym.agents.bcedge.policy import KIND
from octogym.agents.sampling import inverse_cdf
from octogym.cluster.scenario import Scenario
from octogym.cluster.tensor_file import check_arrays, write_tensors
from octogym.train.bcedge.world import NOISE_S, World, models_of
from octogym.train.checkpoint import (
    POLICY_FILE,
    STATE_FILE,
    TrainingState,
    join_names,
    load_state,
    provenance,
    save_state,
    split_names,
)
from octogym.train.gae import advantages
from octogym.train.progress import Progress
from octogym.train.settings import number, one_of, run_folder, training_scenario, whole
from octogym.train.stopping import Stopping
from octogym.train.torch_extra import adam_arrays, import_torch, load_adam, torch_threads

#: Settings that a run which goes on may change, and those that its identity states otherwise.
_ASIDE = ("scenario", "out", "split", "inputs", "save_every", "resume", "board", "quiet")


@dataclass(frozen=True)
class BCEdgeConfig:
    """What to train, and how.

    Args:
        scenario, split: whose device types, models and SLOs; no trace is looked at.
        out: folder for `policy.safetensors` and the state to go on from; None keeps nothing.
        updates: per device type, each after `experiences` of them.
        inputs: (channels, height, width) of models that `bcedge_network.INPUTS` does not know.
        threads: CPU threads; another number may give other bytes.
        save_every: updates between two writings of the state.
        resume: go on where the run in `out` was stopped; begin if there is none.
        board: write TensorBoard events into `out`.
    """

    scenario: str | Path | Scenario = "traffic-2"
    out: str | Path | None = None
    split: str = "train"
    seed: int = 0
    updates: int = 200
    experiences: int = 7000
    lr: float = 1e-3
    gamma: float = 0.1
    lam: float = 0.1
    clip: float = 0.9
    value_weight: float = 0.5
    throughput: str = "images"
    inputs: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    save_every: int = 50
    threads: int = 1
    resume: bool = False
    board: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        one_of(self, "throughput", ("images", "batches"))
        whole(self, "seed", 0)
        whole(self, "experiences", 2)
        for name in ("updates", "save_every", "threads"):
            whole(self, name)
        for name in ("lr", "clip"):
            number(self, name, 0, above=True)
        for name in ("gamma", "lam"):
            number(self, name, 0, 1)
        number(self, "value_weight", 0)


@dataclass(frozen=True)
class BCEdgeResult:
    """`history`: device type -> mean reward of each update's experiences. `file`: the policy's checkpoint, if a folder
    was given."""

    parameters: dict[str, np.ndarray]
    history: dict[str, list[float]]
    file: Path | None
    interrupted: bool


def train_bcedge(config: BCEdgeConfig) -> BCEdgeResult:
    """Train; Ctrl-C or SIGTERM stops, and `resume=True` later gives what an uninterrupted run would have given.

    Raises:
        SettingError, ScenarioError: something in `config` cannot be used.
        TensorFileError: the state to go on from is damaged or of another training.
        MissingExtra: torch, or with `board` TensorBoard, is not installed.
    """
    torch = import_torch()
    folder = run_folder(config.out, config.resume)
    run = _Run(config, training_scenario(config.scenario, config.split), folder, torch)
    total = config.updates * len(run.kinds)
    board = folder if config.board else None
    with (
        torch_threads(torch, config.threads),
        Stopping() as stopping,
        Progress(total, KIND, "update", config.quiet, board, run.done) as bar,
    ):
        for kind, figures in run.updates(stopping):
            bar.advance(1, None, reward=figures["reward"], **{f"{kind}/{name}": x for name, x in figures.items()})
    file = folder / POLICY_FILE if folder is not None else None
    return BCEdgeResult(run.actors(), run.history, file, run.done < total)


class _Run:
    """An agent per device type, trained one after the other, and what has been reached."""

    def __init__(self, config: BCEdgeConfig, scenario: Scenario, folder: Path | None, torch: Any) -> None:
        self.config, self.folder = config, folder
        cluster = scenario.cluster
        self.models = models_of(cluster, config.inputs)
        self.kinds = sorted({cluster.devices[i.device].type.name for i in cluster.instances})
        self.worlds = {kind: World(cluster, kind, self.models, config.throughput) for kind in self.kinds}
        self.agents = {kind: Agent(config, k, torch) for k, kind in enumerate(self.kinds)}
        self.history: dict[str, list[float]] = {kind: [] for kind in self.kinds}
        self.origin = provenance(scenario, config.seed, 0, method=KIND)
        self.identity: dict[str, Any] = {
            **{f.name: getattr(config, f.name) for f in fields(config) if f.name not in _ASIDE},
            "cluster_sha256": self.origin["cluster_sha256"],
            "models": [[name, *size] for name, size in self.models.items()],
        }
        if config.resume and folder is not None and (folder / STATE_FILE).exists():
            state = load_state(folder, KIND, self.identity)
            for kind, agent in self.agents.items():
                agent.load(folder / STATE_FILE, split_names(state.arrays, kind))
            self.history = {kind: list(state.progress["history"][kind]) for kind in self.kinds}

    @property
    def done(self) -> int:
        return sum(map(len, self.history.values()))

    def updates(self, stopping: Stopping) -> Iterator[tuple[str, dict[str, float]]]:
        for kind in self.kinds:
            history = self.history[kind]
            while len(history) < self.config.updates:
                if stopping.asked:
                    self._save()
                    return
                figures = self.agents[kind].update(self.worlds[kind], len(history))
                history.append(figures["reward"])
                yield kind, figures
                if len(history) % self.config.save_every == 0:
                    self._save()
        self._save()

    def actors(self) -> dict[str, np.ndarray]:
        return join_names(**{kind: agent.arrays() for kind, agent in self.agents.items()})

    def _save(self) -> None:
        if self.folder is None:
            return
        last = {kind: history[-1] for kind, history in self.history.items() if history}
        more = {"settings": self.identity, "models": self.identity["models"], "device_types": self.kinds, "last": last}
        about = {**self.origin, **more, "steps": self.done * self.config.experiences}
        # The state last: a run that is killed in between does some updates again.
        write_tensors(self.folder / POLICY_FILE, self.actors(), KIND, about)
        arrays = join_names(**{kind: agent.state_dict() for kind, agent in self.agents.items()})
        save_state(self.folder, KIND, TrainingState(arrays, {"history": self.history}, self.identity))


class Agent:
    """One device type's network and optimiser."""

    def __init__(self, config: BCEdgeConfig, number_: int, torch: Any) -> None:
        self._torch, self.config, self._number = torch, config, number_
        start = network.initial(np.random.default_rng([config.seed, number_]))
        self._weights = {name: torch.from_numpy(array).requires_grad_() for name, array in start.items()}
        # Shares the tensors' memory: what learning changes, acting sees.
        self._acting = {name: x.detach().numpy() for name, x in self._weights.items()}
        self._optimiser = torch.optim.Adam(self._weights.values(), config.lr)

    def update(self, world: World, count: int) -> dict[str, float]:
        """Update number `count`: gather experiences with the present policy, learn from them once."""
        torch, config = self._torch, self.config
        generator = np.random.default_rng([config.seed, self._number, count])
        model, state = world.draw(config.experiences, generator)
        logs, value = self.forward(torch.from_numpy(state))
        u = generator.random((config.experiences, len(logs)))
        chances = [log.detach().exp().numpy() for log in logs]
        action = np.stack([inverse_cdf(chance, u[:, k]) for k, chance in enumerate(chances)], -1)
        reward = world.reward(model, state, action, generator.uniform(-NOISE_S, NOISE_S, config.experiences))
        # The published code takes what follows the last experience for worth nothing.
        known = np.append(value.detach().numpy(), np.float32(0))
        gain = torch.from_numpy(advantages(reward, known, config.gamma, config.lam))
        target = torch.from_numpy(advantages(reward, np.zeros_like(known), config.gamma, 1.0))
        taken = [log.gather(-1, torch.from_numpy(action[:, k : k + 1]))[:, 0] for k, log in enumerate(logs)]
        log = torch.stack(taken).sum(0)
        # One step from where the experiences come from: the ratio is 1, its gradient that of log pi.
        ratio = (log - log.detach()).exp()
        policy = -torch.min(ratio * gain, ratio.clamp(1 - config.clip, 1 + config.clip) * gain).mean()
        regression = (value - target).pow(2).mean()
        self._optimiser.zero_grad(set_to_none=True)
        (policy + config.value_weight * regression).backward()
        self._optimiser.step()
        losses = {"loss/policy": policy.item(), "loss/value": regression.item()}
        return {"reward": float(reward.mean()), **losses}

    def forward(self, state: Any) -> tuple[list[Any], Any]:
        """Log-probabilities per branch, tensors [n, size], and the value, tensor [n], of states [n, 5]."""
        torch, p = self._torch, self._weights

        def layer(x: Any, name: str) -> Any:
            return x @ p[name + ".w"] + p[name + ".b"]

        x = torch.relu(layer(torch.relu(layer(state, "shared1")), "shared2"))
        logs = [torch.log_softmax(layer(torch.relu(layer(x, name + "1")), name + "2"), -1) for name in network.BRANCHES]
        return logs, layer(torch.relu(layer(x, "value1")), "value2")[:, 0]

    def arrays(self) -> network.Parameters:
        """Copies of the weights."""
        return {name: array.copy() for name, array in self._acting.items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        return {**self.arrays(), **join_names(adam=adam_arrays(self._optimiser, self._weights))}

    def load(self, file: Any, state: dict[str, np.ndarray]) -> None:
        check_arrays(file, state, {name: array.shape for name, array in self.state_dict().items()})
        with self._torch.no_grad():
            for name, x in self._weights.items():
                x.copy_(self._torch.from_numpy(state[name]))
        load_adam(self._torch, self._optimiser, self._weights, split_names(state, "adam"))
