"""FCPO on a cluster: one continually learning iAgent per instance (paper sections III and IV)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octogym.agents.errors import PolicyError
from octogym.agents.fcpo.file import FcpoFile, read_fcpo
from octogym.agents.fcpo.population import Group, Population
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.agents.fcpo.signals import Signals
from octogym.agents.onboard import IAgentStack
from octogym.cluster import draws
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.observation import Observer
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.cluster.topology import Cluster

FROZEN = "frozen"


@dataclass(frozen=True)
class Update:
    """One agent's local update. `reward`: mean over its episode; `skipped`: by the loss gate."""

    system: int
    instance: int
    reward: float
    loss: float
    policy_loss: float
    value_loss: float
    skipped: bool


class FcpoPolicy:
    """FCPO's agents, learning on or frozen; the same object in the simulator, a recorded run or on a rack.

    Each second every agent gets the reward of its last action, sees its eight values, and samples packing, batch size
    and threads. After `steps` seconds it makes one update on what its buffer kept. Federation is not in here: it sets
    `waiting` and `lengths`, and learns of updates by `on_updates` (`octogym.train.fcpo.training`).

    Args:
        argument: a checkpoint of `octogym train fcpo`, then, after commas, `frozen` (decide only); without a file
            the agents start cold. For example `runs/x/policy.safetensors,frozen`.
        settings: constants; the checkpoint's, or FCPO's, if None.
        rows: environments whose agents share their weights (`Population`); 1: every environment learns for itself.
        seeds: of the initial weights, one per system; the seeds of their first environments if None.
        learning: False is `frozen`.

    Raises:
        PolicyError: an argument that is not understood; at `reset`, a checkpoint without an agent for an instance.
        TensorFileError: a file that is damaged or not a checkpoint of FCPO.
    """

    scope = "agent"
    period_s = 1.0
    name = "fcpo"

    def __init__(
        self,
        argument: str | None = None,
        settings: FcpoSettings | None = None,
        rows: int = 1,
        seeds: Sequence[int] | None = None,
        learning: bool = True,
    ) -> None:
        self.file, frozen = _parse(argument, self.name)
        if settings is None:
            settings = self.file.settings.deployed() if self.file is not None else self.default_settings()
        self.settings = settings
        self.learning, self.rows, self.seeds = learning and not frozen, rows, seeds
        self.on_updates: Callable[[list[Update]], None] | None = None

    @classmethod
    def default_settings(cls) -> FcpoSettings:
        """Of a cold start."""
        return FcpoSettings()

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        """Start from the checkpoint (or cold), all environments at once."""
        if num_envs % self.rows:
            raise ValueError(f"{num_envs} environments in systems of {self.rows} rows")
        systems = num_envs // self.rows
        seeds = [seed + k * self.rows for k in range(systems)] if self.seeds is None else self.seeds
        iagent = self.settings.iagent
        self.population = Population(cluster, systems, self.rows, iagent, seeds, self.learning)
        if self.file is not None:
            self.file.fill(self.population)
        #: [systems, S]: windows of the running episode, its length, and who waits for a federated round.
        self.elapsed = np.zeros((systems, cluster.S), np.int64)
        self.lengths = np.full((systems, cluster.S), iagent.steps)
        self.waiting = np.zeros((systems, cluster.S), bool)
        #: Whose next update must not be gated, because an upload follows it.
        self.uploads_next = np.zeros((systems, cluster.S), bool)
        self.begin(cluster, seed + np.arange(num_envs))

    def begin(self, cluster: Cluster, seeds: np.ndarray) -> None:
        """New episodes of all environments, with these seeds int [E]: agents keep what they have learned."""
        self._cluster, self._env_seeds = cluster, np.asarray(seeds, np.int64)
        self._observer = Observer(cluster, len(self._env_seeds))
        self._signals = Signals(cluster, self.settings)
        # The last action's reward would be of another world.
        self._paid = np.zeros((len(self._env_seeds), cluster.S), bool)

    def act(self, view: View) -> Decision:
        observation = self._signals.observation(self._observer.push(view.telemetry), view, self._observer)
        u = self._uniforms(view.step)
        actions = np.zeros(u.shape, np.int64)
        for group in self.population.groups:
            chosen = group.stack.decide(self.population.rows_of(group, observation), self.population.rows_of(group, u))
            self.population.scatter(group, chosen, actions)
        self._paid[:] = True
        if self.learning:
            self._end_episodes()
        return self._decision(actions)

    def feedback(self, reward: np.ndarray, view: View) -> None:
        """Reward float32 [E, S] of the last actions; not counted where the instance's device is absent or silent."""
        if not self.learning:
            return
        valid = self._paid & view.present & (view.telemetry.valid > 0)
        valid &= ~np.repeat(self.waiting, self.rows, 0)
        reward = self._signals.reward(reward, view)
        for group in self.population.groups:
            group.stack.reward(self.population.rows_of(group, reward), self.population.rows_of(group, valid))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Agents, their buffers and optimisers, and where their episodes stand."""
        state = {f"agents/{name}": array for name, array in self.population.state_dict().items()}
        state.update({f"episodes/{name}": getattr(self, name).copy() for name in _EPISODES})
        return state

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state_dict` of the same cluster and number of environments."""
        missing = [name for name in _EPISODES if f"episodes/{name}" not in state]
        if missing:
            raise ValueError(f"state of {self.name}: lacks episodes/{missing[0]}")
        agents = {name[len("agents/") :]: array for name, array in state.items() if name.startswith("agents/")}
        self.population.load(agents)
        for name in _EPISODES:
            getattr(self, name)[:] = state[f"episodes/{name}"]

    # ---------------------------------------------------------------------------------------------------------- inside

    def _uniforms(self, step: int) -> np.ndarray:
        """float64 [E, S, 3], keyed (seed of the environment, agent, step), as everywhere."""
        agents, heads = np.arange(self._cluster.S)[None, :, None], np.arange(3)[None, None, :]
        return np.asarray(draws.uniform_of(self._env_seeds[:, None, None], draws.POLICY, agents, step, heads))

    def _decision(self, actions: np.ndarray) -> Decision:
        decision = Decision.keep(self._cluster, len(actions))
        threads = np.array(THREAD_ACTIONS)[actions[..., 2]]
        decision.pack[:] = actions[..., 0] + 1
        decision.batch[:] = self._signals.batches(actions[..., 1], self._observer.rate)
        decision.pre[:], decision.post[:] = threads[..., 0], threads[..., 1]
        return decision

    def _end_episodes(self) -> None:
        # Who waits for a round keeps step with the others, but makes no update.
        self.elapsed += 1
        over = self.elapsed >= self.lengths
        self.elapsed[over] = 0
        ended = over & ~self.waiting
        if not ended.any():
            return
        updates: list[Update] = []
        for group in self.population.groups:
            mine = self.population.agents_of(group, ended)
            forced = self.population.agents_of(group, self.uploads_next)
            for force in (False, True):
                agents = np.flatnonzero(mine & (forced == force))
                if len(agents):
                    updates += _learn(group, agents, force)
        if self.on_updates is not None:
            self.on_updates(updates)


_EPISODES = ("elapsed", "lengths", "waiting", "uploads_next")


def _learn(group: Group, agents: np.ndarray, force: bool) -> list[Update]:
    stack: IAgentStack = group.stack
    report = stack.learn(agents, force=force)
    figures = (report.reward, report.loss, report.policy_loss, report.value_loss, report.skipped)
    rows = zip(agents.tolist(), *(figure.tolist() for figure in figures), strict=True)
    width = len(group.columns)
    return [Update(i // width, int(group.columns[i % width]), *rest) for i, *rest in rows]


def _parse(argument: str | None, name: str) -> tuple[FcpoFile | None, bool]:
    file, _, last = (argument or "").rpartition(",")
    frozen = last == FROZEN
    if not frozen:
        file = argument or ""
    if FROZEN in file.split(","):
        raise PolicyError(f"policy {name}: {argument!r}: expected FILE, FILE,{FROZEN}, {FROZEN} or nothing")
    return (read_fcpo(file) if file else None), frozen


class FcpoPlusPolicy(FcpoPolicy):
    """`FcpoPolicy` with the settings that served best here (`FcpoSettings.plus`, docs/fcpo.md) where it starts cold."""

    name = "fcpo-plus"

    @classmethod
    def default_settings(cls) -> FcpoSettings:
        return FcpoSettings.plus()
