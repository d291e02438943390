"""FCPO's reward, Eq. 1 (docs/contract.md 2 and 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octogym.cluster.telemetry import Telemetry

#: The net rate never counts as less than this, requests/s.
LEAST_RATE = 0.1
#: Throughput term's cap (ours; late drops inflate it otherwise).
THROUGHPUT_CAP = 1.5


@dataclass(frozen=True)
class FcpoReward:
    """r = clip((theta T - sigma L - phi O^2) / 2, -1, 1) of every instance, with the weights of the published code.

    T = (executed + 0.1) / net rate, at most 1.5; L = local latency in seconds; O = batch / net rate, the time to fill
    a batch. Net rate = max(rate - late drops, 0.1). With no requests at all in the last 60 s T = L = 0 and O = batch
    / 10. Instances of absent devices get 0.
    """

    theta: float = 1.1
    sigma: float = 10.0
    phi: float = 2.0

    def __call__(self, telemetry: Telemetry, rate: np.ndarray, present: np.ndarray) -> np.ndarray:
        """float32 [E, S]. `rate`: requests/s after the window, float64 [E, S]; `present`: bool [E, S]."""
        window_s = (telemetry.window_ns / 1e9)[:, None]
        net = np.maximum(rate - telemetry.dropped_late / window_s, LEAST_RATE)
        idle = rate <= 0
        throughput = np.minimum((telemetry.executed / window_s + 0.1) / net, THROUGHPUT_CAP)
        latency_s = telemetry.local_latency_ns / 1e9
        oversize = telemetry.batch / np.where(idle, 10.0, net)
        served = np.where(idle, 0.0, self.theta * throughput - self.sigma * latency_s)
        reward = np.clip((served - self.phi * oversize**2) / 2, -1.0, 1.0)
        return np.where(present, reward, 0.0).astype(np.float32)
