"""Several edge servers and a cloud above them (FCPO's hierarchy, after HierFAVG's client, edge, cloud)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octogym.fed.aggregate import GlobalModel, Member, aggregate
from octogym.fed.errors import FedError
from octogym.fed.rounds import ClosedRound

BY = ("equal", "participants")


@dataclass
class _Cluster:
    model: GlobalModel
    rounds: int = 0  # changed edge rounds since the last exchange
    participants: int = 0
    loss: float = 0.0
    touched: set[str] = field(default_factory=set)  # labels of the groups that those rounds changed


class Cloud:
    """Aggregates the models of clusters as an edge server does those of its clients.

    An exchange is due when every cluster has completed `every` edge rounds since the last one, or one of them twice
    as many, so that a silent cluster holds up nobody for good. A cluster has a voice in the groups that its rounds have
    changed since then, and gets the whole result. The clusters' models come from the cloud's last one, so that is not
    averaged in again. With one cluster an exchange changes nothing, to the bit.

    Args:
        clusters: their names.
        every: edge rounds from one cloud round to the next (ours: 5).
        by: "equal" clusters, or weights by the number of "participants" since the last exchange.
        weighting: of the heads, as in `octogym.fed.aggregate.aggregate`; a cluster's loss is that of its last round.

    Raises:
        FedError: no cluster, or a setting out of range.
    """

    def __init__(self, clusters: Iterable[str], every: int = 5, by: str = "equal", weighting: str = "loss") -> None:
        self._clusters = {name: _Cluster(GlobalModel()) for name in sorted(set(clusters))}
        if not self._clusters or every < 1 or by not in BY:
            raise FedError(f"every = {every!r}, by = {by!r}: expected 1 or more, one of {', '.join(BY)}, and a cluster")
        self.every, self.by, self.weighting = every, by, weighting
        self.exchanges = 0
        self.model = GlobalModel()

    def edge_round(self, cluster: str, closed: ClosedRound, model: GlobalModel) -> None:
        """A cluster's edge server has closed a round, and this is its model now."""
        state = self._clusters[cluster]
        if closed.changed:
            state.model, state.loss = model, closed.loss
            state.rounds += 1
            state.participants += len(closed.participants)
            state.touched |= set(closed.shares)

    @property
    def due(self) -> bool:
        rounds = [state.rounds for state in self._clusters.values()]
        return min(rounds) >= self.every or max(rounds) >= 2 * self.every

    def exchange(self) -> GlobalModel:
        """The model that every edge server takes as its own from now on.

        Raises:
            FedError: no cluster has completed a round since the last exchange.
        """
        active = {name: state for name, state in self._clusters.items() if state.rounds}
        if not active:
            raise FedError("no cluster has completed a round since the last exchange")
        members = []
        for name, state in active.items():
            weight = float(state.participants) if self.by == "participants" else 1.0
            groups = {group: arrays for group, arrays in state.model.groups.items() if group.label in state.touched}
            members.append(Member(name, state.loss, groups, state.model.makers, weight))
        self.model = aggregate(self.model, members, self.weighting, mix_global=False).model
        for name in self._clusters:
            self._clusters[name] = _Cluster(self.model)
        self.exchanges += 1
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """Counters as plain values, without the models (`model`, and those of the edge servers)."""
        clusters = {name: [s.rounds, s.participants, s.loss, sorted(s.touched)] for name, s in self._clusters.items()}
        return {"exchanges": self.exchanges, "clusters": clusters}

    def load(self, state: Mapping[str, Any], model: GlobalModel, models: Mapping[str, GlobalModel]) -> None:
        """Take up a `state_dict` again, with the cloud's model and those of the edge servers by cluster."""
        self.exchanges, self.model = state["exchanges"], model
        for name, (rounds, participants, loss, touched) in state["clusters"].items():
            self._clusters[name] = _Cluster(models[name], rounds, participants, loss, set(touched))
