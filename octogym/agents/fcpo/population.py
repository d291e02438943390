"""All iAgents of a cluster, or of several systems at once: who sits where in which stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octogym.agents.onboard import IAgentConfig, IAgentStack
from octogym.cluster.topology import Cluster


@dataclass(frozen=True)
class Group:
    """The agents of equal head sizes of all systems. `columns` intp [m]: their instances. In the stack, agent
    `k * m + c` is system k's for instance `columns[c]`."""

    sizes: tuple[int, int, int]
    columns: np.ndarray
    stack: IAgentStack


class Population:
    """One iAgent per instance and system, in stacks by head sizes.

    A *system* is `rows` environments whose agents share their weights, environments `k * rows` to `k * rows + rows - 1`
    of the batch for system k. Systems know nothing of each other.

    Args:
        cluster: S instances. systems, rows: E = systems x rows environments.
        config: constants of all agents.
        seeds: one per system; an agent's initial weights depend on its system's seed and its instance only.
        learning: False: agents only decide.
        make: the stacks' class, `IAgentStack` or its torch twin.
    """

    def __init__(
        self,
        cluster: Cluster,
        systems: int,
        rows: int,
        config: IAgentConfig,
        seeds: Sequence[int],
        learning: bool = True,
        make: Any = IAgentStack,
    ) -> None:
        if len(seeds) != systems:
            raise ValueError(f"{len(seeds)} seeds for {systems} systems")
        self.cluster, self.systems, self.rows = cluster, systems, rows
        sizes = [instance.action_sizes for instance in cluster.instances]
        self.groups: list[Group] = []
        for one in sorted(set(sizes)):
            columns = np.array([s for s, other in enumerate(sizes) if other == one], np.intp)
            own = [_agent_seed(seed, cluster.instances[s].id) for seed in seeds for s in columns]
            stack = make(one, len(own), rows, config, own, learning)
            self.groups.append(Group(one, columns, stack))

    @property
    def num_agents(self) -> int:
        """Of all systems."""
        return sum(group.stack.n for group in self.groups)

    def rows_of(self, group: Group, array: np.ndarray) -> np.ndarray:
        """[E, S, ...] of the batch -> [n, rows, ...] of the group's stack."""
        part = array[:, group.columns].reshape(self.systems, self.rows, len(group.columns), *array.shape[2:])
        return part.swapaxes(1, 2).reshape(-1, self.rows, *array.shape[2:])

    def scatter(self, group: Group, values: np.ndarray, out: np.ndarray) -> None:
        """[n, rows, ...] of the group's stack into `out` [E, S, ...] of the batch."""
        part = values.reshape(self.systems, len(group.columns), self.rows, *values.shape[2:])
        out[:, group.columns] = part.swapaxes(1, 2).reshape(len(out), len(group.columns), *values.shape[2:])

    def agents_of(self, group: Group, array: np.ndarray) -> np.ndarray:
        """[systems, S] per agent -> [n] of the group's stack."""
        return array[:, group.columns].reshape(-1)

    def members(self) -> Iterator[tuple[int, int, IAgentStack, int]]:
        """(system, instance, stack, index in the stack) of every agent."""
        for group in self.groups:
            for k in range(self.systems):
                for c, s in enumerate(group.columns):
                    yield k, int(s), group.stack, k * len(group.columns) + c

    def state_dict(self) -> dict[str, np.ndarray]:
        """All stacks' states, `RxBxM/name`."""
        return {
            f"{_label(group.sizes)}/{name}": array
            for group in self.groups
            for name, array in group.stack.state_dict().items()
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state_dict` of the same cluster, systems and rows.

        Raises:
            ValueError: arrays for other stacks than these; IAgentError (one, too) if they do not fit.
        """
        parts: dict[str, dict[str, np.ndarray]] = {_label(group.sizes): {} for group in self.groups}
        for name, array in state.items():
            label, _, rest = name.partition("/")
            if label not in parts:
                raise ValueError(
                    f"state of agents: {name!r} is for no stack of this cluster; it has {', '.join(parts)}"
                )
            parts[label][rest] = array
        for group in self.groups:
            group.stack.load(parts[_label(group.sizes)])


def _label(sizes: tuple[int, int, int]) -> str:
    return "x".join(map(str, sizes))


def _agent_seed(seed: int, name: str) -> int:
    return int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])
