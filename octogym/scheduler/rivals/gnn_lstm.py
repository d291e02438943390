"""GNN_LSTM as OctoCross compares with it (section 5.1): space first, then time, then a greedy balancer."""

from __future__ import annotations

from octogym.scheduler.rivals.decider import by_room
from octogym.scheduler.rivals.policies import RivalPolicy


class GnnLstmPolicy(RivalPolicy):
    """Two graph convolutions per second and an LSTM forecast the loads; what is above a node's capacity goes to its
    target with the most room (`greedy.relieve`).

    The graph is that of training: another cluster is refused. The authors' code is not public; sizes are ours
    (specification 6.3), the balancer is that of OctoCross's released label script, on valid edges.

    Args:
        argument: `FILE[,shares]`, see `RivalPolicy`.
    """

    def __init__(self, argument: str | None = None) -> None:
        super().__init__("gnn-lstm", by_room, argument)
