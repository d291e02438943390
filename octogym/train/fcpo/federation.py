"""The agents of each system as members of federations: who uploads, who waits, whose episodes have grown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from octogym.agents.fcpo.policy import FcpoPolicy, Update
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster
from octogym.fed.client import WAITING, FedClient
from octogym.fed.config import FedConfig
from octogym.fed.in_process import Federation, RoundReport


class Federations:
    """The federations of every system of a policy's population, all on one clock of cluster time.

    Args:
        hierarchical: one edge server per device type and a cloud over them (paper, section IV-D); else one server.
        among: "all" agents of a system in one federation (paper), or one federation for the agents of each "model".
    """

    def __init__(
        self,
        policy: FcpoPolicy,
        cluster: Cluster,
        config: FedConfig,
        seeds: Sequence[int],
        hierarchical: bool = False,
        among: str = "all",
    ) -> None:
        self._policy, self._cluster, self._rows = policy, cluster, policy.rows
        clients: dict[tuple[int, str], list[FedClient]] = {}
        self._index = {instance.id: s for s, instance in enumerate(cluster.instances)}
        for k, s, stack, i in policy.population.members():
            instance = cluster.instances[s]
            device = cluster.devices[instance.device].id
            group = cluster.stages[instance.stage].model if among == "model" else ""
            clients.setdefault((k, group), []).append(FedClient(instance.id, device, stack, i, config.client))
        clusters = {device.id: device.type.name for device in cluster.devices} if hierarchical else None
        #: (system, model or "") -> its federation.
        self.all = {
            key: Federation(config, mine, int(seeds[key[0]]), clusters) for key, mine in sorted(clients.items())
        }
        #: Rounds that have ended, by system.
        self.rounds = np.zeros(len(seeds), np.int64)
        self.reports: list[tuple[int, RoundReport]] = []
        self._spread()

    def after_step(self, now_ns: int, updates: list[Update], telemetry: Telemetry) -> None:
        """The window that ends at `now_ns` (of the whole training) is over; `updates` were made in it."""
        if not updates and not self._policy.waiting.any():
            return
        for (k, _), federation in self.all.items():
            mine = {self._cluster.instances[u.instance].id: u.loss for u in updates if u.system == k}
            names = {name: loss for name, loss in mine.items() if name in federation.clients}
            reports = federation.after_step(now_ns, names, self._bandwidth(telemetry, k * self._rows))
            self.rounds[k] += len(reports)
            self.reports += [(k, report) for report in reports]
        self._spread()

    def shared(self, system: int) -> dict[str, np.ndarray]:
        """The server's (or the cloud's) model: `part@shapes/name` -> array; none where every model has its own."""
        federation = self.all.get((system, ""))
        return {} if federation is None else federation.model.named()

    def _bandwidth(self, t: Telemetry, row: int) -> dict[str, tuple[float, float]]:
        D = self._cluster.D
        rates = t.bandwidth_bps[row].tolist()
        return {device.id: (rates[d], rates[D + d]) for d, device in enumerate(self._cluster.devices)}

    def _spread(self) -> None:
        """Tell the policy who waits, how long episodes are, whose next update must not be gated."""
        policy = self._policy
        for (k, _), federation in self.all.items():
            for name, client in federation.clients.items():
                s = self._index[name]
                policy.waiting[k, s] = client.state == WAITING
                policy.lengths[k, s] = client.steps
                policy.uploads_next[k, s] = client.uploads_next

    def state_dict(self) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
        """Arrays by name and plain values, for a resume."""
        arrays: dict[str, np.ndarray] = {"rounds": self.rounds.copy()}
        plain = []
        for at, federation in enumerate(self.all.values()):
            found, values = federation.state_dict()
            arrays.update({f"{at}/{name}": array for name, array in found.items()})
            plain.append(values)
        return arrays, plain

    def load(self, arrays: dict[str, np.ndarray], plain: list[dict[str, Any]]) -> None:
        self.rounds[:] = arrays["rounds"]
        for at, federation in enumerate(self.all.values()):
            start = f"{at}/"
            federation.load({n[len(start) :]: a for n, a in arrays.items() if n.startswith(start)}, plain[at])
        self._spread()
