"""A network that `octogym train ippo` or `mappo` left, as a policy on any backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from octogym.agents.argument import file_and_options
from octogym.agents.errors import PolicyError
from octogym.agents.ppo import network
from octogym.agents.sampling import HEADS, action_uniforms
from octogym.agents.stateless import StatelessPolicy
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.observation import Observer
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.cluster.tensor_file import TensorFileError, check_arrays, read_tensors
from octogym.cluster.topology import Cluster

#: What a checkpoint of it says it holds.
KIND = "ppo"
SAMPLE, ARGMAX = "sample", "argmax"


class PpoPolicy(StatelessPolicy):
    """Decides each second for every instance by itself, with weights that all share (IPPO or MAPPO: the critic is
    needed in training alone). It does not learn on.

    Args:
        argument: the checkpoint, `FILE[,sample][,argmax]`. `sample` draws actions as in training, keyed by (seed of
            the environment, instance, second); `argmax` takes the likeliest; else what scored better at training's end.

    Raises:
        PolicyError: no checkpoint is given; at `reset`, the cluster has agents of a kind that it was not trained for.
        TensorFileError: the file cannot be read, is damaged or holds something else.
    """

    def __init__(self, argument: str | None = None) -> None:
        self.file, options = file_and_options("ippo", argument, (SAMPLE, ARGMAX))
        if len(options) > 1:
            raise PolicyError(f"policy ippo: {argument!r}: {SAMPLE} or {ARGMAX}, not both")
        found = read_tensors(self.file, KIND)
        self.about = found.about
        self.sample = SAMPLE in options or (not options and bool(found.about.get("sample")))
        self.kinds, self.heads = layout_of(self.file, found.about)
        check_arrays(self.file, found.arrays, network.shapes(len(self.kinds), self.heads))
        self.parameters: network.Parameters = {name: a.astype(np.float32) for name, a in found.arrays.items()}
        self._observer: Observer | None = None

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self._kind = kinds_in(cluster, self.kinds, self.file)
        self._sizes = network.sizes_of(cluster)
        large = (self._sizes > self.heads).any(-1)
        if large.any():
            s = int(np.argmax(large))
            own = tuple(self._sizes[s].tolist())
            raise PolicyError(f"{self.file}: its actions reach {self.heads}; {cluster.instances[s].id} has {own}")
        self._mask = network.head_mask(self._sizes, self.heads)
        self._seed, self._observer = seed, Observer(cluster, num_envs)

    def act(self, view: View) -> Decision:
        assert self._observer is not None, "reset comes before act"
        observation = self._observer.push(view.telemetry)
        chances = network.probabilities(self.parameters, observation, self._kind, self._mask, self.heads)
        E, S = observation.shape[:2]
        u = action_uniforms(self._seed, E, S, view.step) if self.sample else None
        index = network.choose(chances, u, self._sizes)
        decision = Decision.keep(view.cluster, E)
        pairs = np.array(THREAD_ACTIONS)[index[..., 2]]
        decision.pack[:] = index[..., 0] + 1
        decision.batch[:] = index[..., 1] + 1
        decision.pre[:] = pairs[..., 0]
        decision.post[:] = pairs[..., 1]
        return decision

    def state_dict(self) -> dict[str, np.ndarray]:
        """The weights, as in the checkpoint."""
        return {name: array.copy() for name, array in self.parameters.items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over weights of the same shapes.

        Raises:
            TensorFileError: missing, foreign or misshapen arrays.
        """
        check_arrays("state", state, network.shapes(len(self.kinds), self.heads))
        self.parameters = {name: np.array(array, np.float32) for name, array in state.items()}


def layout_of(file: Any, about: Mapping[str, Any]) -> tuple[list[str], tuple[int, ...]]:
    """Kinds of agents and head sizes that a checkpoint says it is for.

    Raises:
        TensorFileError: it does not say so.
    """
    kinds, heads = about.get("kinds"), about.get("heads")
    good = isinstance(kinds, list) and kinds and all(isinstance(kind, str) for kind in kinds)
    if not good or not isinstance(heads, list) or len(heads) != HEADS or not all(_positive(n) for n in heads):
        raise TensorFileError(file, f"kinds = {kinds!r}, heads = {heads!r}; expected names, and {HEADS} sizes")
    assert isinstance(kinds, list)
    return kinds, tuple(heads)


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def kinds_in(cluster: Cluster, kinds: list[str], file: Any) -> np.ndarray:
    """int64 [S]: each instance's place in `kinds`.

    Raises:
        PolicyError: an instance of none of them.
    """
    place = {kind: k for k, kind in enumerate(kinds)}
    for s, instance in enumerate(cluster.instances):
        kind = network.kind_of(cluster, s)
        if kind not in place:
            raise PolicyError(f"{file}: not trained for {kind} ({instance.id}); it knows {', '.join(kinds)}")
    return np.array([place[network.kind_of(cluster, s)] for s in range(cluster.S)], np.int64)
