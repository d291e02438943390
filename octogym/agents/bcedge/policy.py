"""BCEdge: one offline-trained agent per device chooses batch size and concurrency of all its containers.

Zhang et al., "BCEdge: SLO-aware DNN inference services with adaptive batch-concurrent scheduling on edge devices", IEEE
TNSM 2024, as FCPO's authors re-implemented it for their comparison; units made consistent (docs of
`octogym.train.bcedge.training`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from octogym.agents.argument import file_and_options
from octogym.agents.bcedge import network
from octogym.agents.errors import PolicyError
from octogym.agents.sampling import action_uniforms, inverse_cdf
from octogym.agents.stateless import StatelessPolicy
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.tensor_file import TensorFileError, check_arrays, read_tensors
from octogym.cluster.topology import Cluster

#: What a checkpoint of it says it holds.
KIND = "bcedge"
ARGMAX, FIXED_REPLICAS = "argmax", "fixed-replicas"


class BCEdgePolicy(StatelessPolicy):
    """Decides each second, once per container, with the network of the container's device type. It does not learn on,
    and sees neither load nor queues: model, its input's size and the SLO are its state.

    Batch size: as chosen, at most the model's largest; batches wait to be full (FIXED). Concurrency: 1 or 2 replicas
    where the scenario has replica slots (instances of one stage on one device that serve the same routes); elsewhere
    it has no effect, and `ignored` names those instances. The shared-memory choice has no counterpart and no effect.
    Packing and threads stay as the scenario starts them.

    Args:
        argument: the checkpoint, `FILE[,argmax][,fixed-replicas]`. Actions are sampled as in the published code, keyed
            by (seed of the environment, instance, second); `argmax` takes the likeliest. `fixed-replicas` leaves
            concurrency alone, for a scheduler beside it that sets replicas.

    Raises:
        PolicyError: no checkpoint is given; at `reset`, a device type or model that it was not trained for.
        TensorFileError: the file cannot be read, is damaged or holds something else.
    """

    def __init__(self, argument: str | None = None) -> None:
        self.file, options = file_and_options(KIND, argument, (ARGMAX, FIXED_REPLICAS))
        self.argmax, self.fixed_replicas = ARGMAX in options, FIXED_REPLICAS in options
        found = read_tensors(self.file, KIND)
        self.about = found.about
        self.models, self.types = trained_for(self.file, found.about)
        expected = {f"{t}/{name}": shape for t in self.types for name, shape in network.shapes().items()}
        check_arrays(self.file, found.arrays, expected)
        self.parameters: dict[str, np.ndarray] = {name: a.astype(np.float32) for name, a in found.arrays.items()}
        #: After `reset`: ids of the instances for which concurrency has no effect.
        self.ignored: list[str] = []
        self._agents: list[tuple[np.ndarray, np.ndarray, network.Parameters]] = []

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self._check(cluster)
        self._seed = seed
        self._limit = np.array([instance.max_batch for instance in cluster.instances], np.int64)
        self._agents = []
        for device in range(cluster.D):
            own = np.array([s for s, i in enumerate(cluster.instances) if i.device == device], np.intp)
            if not len(own):
                continue
            names = tuple(cluster.instances[s].profile.model for s in own)
            slo_s = np.array([cluster.instance_slo_ns(s) / 1e9 for s in own])
            kind = cluster.devices[device].type.name + "/"
            weights = {n[len(kind) :]: a for n, a in self.parameters.items() if n.startswith(kind)}
            self._agents.append((own, network.states(self.models, names, slo_s), weights))
        self._slots = [] if self.fixed_replicas else replica_slots(cluster)
        slotted = {int(s) for slot in self._slots for s in slot}
        self.ignored = [instance.id for s, instance in enumerate(cluster.instances) if s not in slotted]

    def act(self, view: View) -> Decision:
        cluster, E = view.cluster, len(view.due)
        u = None if self.argmax else action_uniforms(self._seed, E, cluster.S, view.step, len(network.BRANCHES))
        index = np.zeros((E, cluster.S, len(network.BRANCHES)), np.int64)
        for own, state, weights in self._agents:
            for k, chance in enumerate(network.probabilities(weights, state).values()):
                index[:, own, k] = chance.argmax(-1) if u is None else inverse_cdf(chance, u[:, own, k])
        decision = Decision.keep(cluster, E)
        decision.batch[:] = np.minimum(index[..., 0] + 1, self._limit)
        decision.timeout_ns[:] = 0
        for slot in self._slots:
            # One container, whose first instance's choice counts.
            decision.batch[:, slot] = decision.batch[:, slot[:1]]
            decision.active[:, slot] = 0
            decision.active[:, slot[0]] = 1
            decision.active[:, slot[1]] = index[:, slot[0], 1] == 1
        return decision

    def state_dict(self) -> dict[str, np.ndarray]:
        """The weights of all device types, as in the checkpoint."""
        return {name: array.copy() for name, array in self.parameters.items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over weights of the same device types; before `reset`.

        Raises:
            TensorFileError: missing, foreign or misshapen arrays.
        """
        check_arrays("state", state, {name: array.shape for name, array in self.parameters.items()})
        self.parameters = {name: np.array(array, np.float32) for name, array in state.items()}

    def _check(self, cluster: Cluster) -> None:
        for instance in cluster.instances:
            kind, model = cluster.devices[instance.device].type.name, instance.profile.model
            if kind not in self.types:
                raise PolicyError(
                    f"{self.file}: not trained for {kind} ({instance.id}); it knows {', '.join(self.types)}"
                )
            if model not in self.models:
                raise PolicyError(
                    f"{self.file}: not trained for {model} ({instance.id}); it knows {', '.join(self.models)}"
                )


def replica_slots(cluster: Cluster) -> list[np.ndarray]:
    """Per container that may have one replica or two: its instances, int [n >= 2], in order. They are on one device
    and serve the same routes, so that any of them can stand in for the others."""
    groups: list[list[int]] = [[] for _ in cluster.instances]
    for route in cluster.routes:
        groups[route.target].append(route.group)
    alike: dict[Any, list[int]] = {}
    for s, instance in enumerate(cluster.instances):
        if groups[s]:
            alike.setdefault((instance.device, instance.stage, tuple(sorted(groups[s]))), []).append(s)
    return [np.array(found, np.intp) for found in alike.values() if len(found) > 1]


def trained_for(file: Any, about: Mapping[str, Any]) -> tuple[dict[str, tuple[int, int, int]], list[str]]:
    """Models with their inputs, in the order of their numbers, and the device types that a checkpoint is for.

    Raises:
        TensorFileError: it does not say so.
    """
    models, types = about.get("models"), about.get("device_types")
    good = isinstance(models, list) and models and isinstance(types, list) and types
    if not good or not all(isinstance(kind, str) for kind in types or ()) or not all(map(_named_input, models or ())):
        raise TensorFileError(file, f"models = {models!r}, device_types = {types!r}; expected [name, c, h, w], names")
    assert isinstance(models, list) and isinstance(types, list)
    return {name: (c, h, w) for name, c, h, w in models}, types


def _named_input(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 1 + 3
        and isinstance(entry[0], str)
        and all(isinstance(n, (int, float)) and n > 0 for n in entry[1:])
    )
