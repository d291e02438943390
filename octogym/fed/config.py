"""The settings of a federation in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from octogym.fed.aggregate import WEIGHTINGS
from octogym.fed.client import ClientConfig
from octogym.fed.errors import FedError
from octogym.fed.rounds import SECOND_NS


@dataclass(frozen=True)
class FedConfig:
    """Settings of `octogym.fed.in_process.Federation`; the defaults are FCPO's, or ours where it names none.

    Args:
        client: cadence and episodes of the clients.
        weighting: of the action heads, "loss" or "equal".
        mix_global: whether the server's model is one more member of each average.
        fraction: of the devices that a round asks; 1 asks all.
        explore, epsilon, ucb, patience: as in `octogym.fed.selection.Selector`.
        timer_ns: longest time that a round stays open.
        cloud_every: edge rounds from one cloud round to the next, where there are several clusters.
        cloud_by: weights of the clusters at the cloud, "equal" or "participants".
        period_ns: control window, which is one step of an episode.
        latency_ns: of each transfer, beside bytes over bandwidth.
        bandwidth_bps: of a link for which the caller states none (ours: 50 Mbit/s, the first 5G step of the paper).
        server: device on which the server runs; its own clients transfer at once. None: none does.

    Raises:
        FedError: a value out of range.
    """

    client: ClientConfig = field(default_factory=ClientConfig)
    weighting: str = "loss"
    mix_global: bool = True
    fraction: float = 0.5
    explore: str = "epsilon"
    epsilon: float = 0.1
    ucb: float = 0.5
    patience: int = 20
    timer_ns: int = 20 * SECOND_NS
    cloud_every: int = 5
    cloud_by: str = "equal"
    period_ns: int = SECOND_NS
    latency_ns: int = 5_000_000
    bandwidth_bps: float = 50e6
    server: str | None = None

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise FedError(f"weighting = {self.weighting!r}: expected one of {', '.join(WEIGHTINGS)}")
        if self.period_ns < 1:
            raise FedError(f"period_ns = {self.period_ns!r}: expected 1 or more")
        if not 0 < self.timer_ns < self.client.timeout_ns:
            raise FedError(
                f"timer_ns = {self.timer_ns!r}: expected above 0, below timeout_ns ({self.client.timeout_ns})"
            )
        if self.latency_ns < 0 or self.bandwidth_bps < 0:
            raise FedError(
                f"latency_ns = {self.latency_ns!r}, bandwidth_bps = {self.bandwidth_bps!r}: expected 0 or more"
            )
