"""What `octogym train mappo-offload` left, as a policy on any backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from octogym.agents.argument import file_and_options
from octogym.agents.ppo import offload_network as network
from octogym.agents.ppo.network import Parameters
from octogym.agents.static import StaticPolicy
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.observation import LINK, TARGET, Observer, state_parts
from octogym.cluster.offloading.shares import RouteShares, shares
from octogym.cluster.offloading.signals import Signals
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.tensor_file import TensorFileError, check_arrays, read_tensors
from octogym.cluster.topology import Cluster

#: What a checkpoint of it says it holds.
KIND = "mappo-offload"
#: The word that leaves instance settings to another policy.
SHARES = "shares"
#: Seconds between two decisions, those of `offload_v0`.
STEP_S = 15.0


class MappoOffloadPolicy:
    """Every 15 s an actor per camera device sees what its agent sees in `offload_v0` and says which part of the crops
    goes where, with weights that all actors share. They were learned with MAPPO, whose central critic is needed in
    training alone. The policy does not learn on.

    It samples telemetry every second; a target that is lost in between is left out from the next second on. The
    weights depend on neither the number of agents nor that of targets, so they run on any cluster.

    Args:
        argument: the checkpoint, `FILE[,shares]`. With `shares` only shares are set, and another policy may set the
            instances; else the scenario's own settings are stated, so that they do not expire.

    Raises:
        PolicyError: no checkpoint is given.
        TensorFileError: the file cannot be read, is damaged or holds something else.
    """

    scope = "cluster"
    period_s = 1.0

    def __init__(self, argument: str | None = None) -> None:
        self.file, options = file_and_options(KIND, argument, (SHARES,))
        self.settings = SHARES not in options
        found = read_tensors(self.file, KIND)
        self.about = found.about
        self.history, self.top_k = layout_of(self.file, found.about)
        check_arrays(self.file, found.arrays, network.shapes(self.history))
        self.parameters: Parameters = {name: array.astype(np.float32) for name, array in found.arrays.items()}
        self._static = StaticPolicy()

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        """
        Raises:
            ValueError: a cluster in which nothing can be offloaded.
        """
        layout = self.layout = OffloadLayout(cluster, self.top_k)
        self._kinds = network.kinds_of(layout)
        self._signals, self._observer = Signals(layout, num_envs, self.history), Observer(layout)
        self._routes = RouteShares(layout)
        self._static.reset(cluster, num_envs, seed)
        self._step_ns = max(1, round(STEP_S * 1e9 / cluster.period_ns)) * cluster.period_ns
        width = self.history + LINK + TARGET * layout.T
        self._seen = np.zeros((num_envs, layout.N, width), np.float32)
        self._weight = np.zeros((num_envs, layout.N, layout.T))
        self._usable: np.ndarray | None = None

    def act(self, view: View) -> Decision:
        t, layout = view.telemetry, self.layout
        begun = t.t_ns == 0
        if not begun.all():
            self._signals.push(t)
        if begun.any():
            self._signals.reset(begun)
        usable = self._routes.usable(t.present, t.active)
        due = t.t_ns % self._step_ns == 0
        if due.any():
            self._decide(t, usable, due, begun)
        if self._usable is None or due.any() or not np.array_equal(usable, self._usable):
            self._usable = usable
            wanted = shares(self._weight, self._routes.valid(usable))
            self._milli = self._routes.milli(wanted, usable)
        decision = self._static.act(view) if self.settings else Decision.keep(view.cluster, len(t.t_ns))
        decision.share_milli[:, layout.owned] = self._milli
        return decision

    def feedback(self, reward: np.ndarray, view: View) -> None:
        """Reward is ignored."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """The weights, as in the checkpoint."""
        return {name: array.copy() for name, array in self.parameters.items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over weights of the same shapes.

        Raises:
            TensorFileError: missing, foreign or misshapen arrays.
        """
        check_arrays("state", state, network.shapes(self.history))
        self.parameters = {name: np.array(array, np.float32) for name, array in state.items()}

    def _decide(self, t: Telemetry, usable: np.ndarray, due: np.ndarray, begun: np.ndarray) -> None:
        """New wishes in the environments of `due` bool [E]. Agents that are away, or not heard of, keep what they saw
        last; the crops of those that are away stay local."""
        parts = state_parts(self._signals, t, self._routes.in_force(t.share_milli))
        observation = self._observer.observations(t, parts, self._routes.valid(usable))
        present = self._observer.present(t)
        new = (present & self._observer.fresh(t) | begun[:, None]) & due[:, None]
        self._seen = np.where(new[..., None], observation, self._seen)
        score = network.scores(self.parameters, *network.inputs(self._seen, self.history), self._kinds)
        weight = (network.actions(score).astype(np.float64) + 1) / 2
        local = np.zeros(self.layout.T)
        local[0] = 1.0
        wishes = np.where(present[..., None], weight, local)
        self._weight = np.where(due[:, None, None], wishes, self._weight)


def layout_of(file: Any, about: dict[str, Any]) -> tuple[int, int]:
    """Windows of demand that actors see, and neighbours among their targets, as a checkpoint says.

    Raises:
        TensorFileError: it does not say so.
    """
    found = []
    for name, least in (("history", 1), ("top_k", 0)):
        value = about.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise TensorFileError(file, f"{name} = {value!r}; expected a whole number from {least}")
        found.append(value)
    return found[0], found[1]
