"""Distream as OctoCross compares with it (section 5.1): a forecast per node, and a greedy walk over the nodes."""

from __future__ import annotations

from octogym.scheduler.rivals.decider import by_distream
from octogym.scheduler.rivals.policies import RivalPolicy


class DistreamOffloadPolicy(RivalPolicy):
    """An LSTM shared by all nodes forecasts every load; while the most loaded node is more than 20 % above the mean it
    hands what it has too much to the target with the best link and the shortest queue (`greedy.even_out`).

    The published system has no LSTM; it is OctoCross's authors who give it one. Their code is not public: sizes are
    ours (specification 6.2), the balancer is that of Distream's public code with loads relative to capacities.

    Args:
        argument: `FILE[,shares]`, see `RivalPolicy`.
    """

    def __init__(self, argument: str | None = None) -> None:
        super().__init__("distream-offload", by_distream, argument)
