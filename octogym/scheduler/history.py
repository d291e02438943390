"""What the telemetry of one environment said of the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from octogym.cluster.telemetry import Telemetry

#: Windows over which the published schedulers look at arrival rates, seconds.
SPANS_S = (15, 30, 60)


class History:
    """The last minute of one environment, one sample for each `push`; older ones are forgotten."""

    def __init__(self) -> None:
        self._t_ns: deque[int] = deque()
        self._arrived: deque[np.ndarray] = deque()
        self._bandwidth: deque[np.ndarray] = deque()
        self._objects: deque[np.ndarray] = deque()
        self._frames: deque[np.ndarray] = deque()

    def push(self, telemetry: Telemetry, e: int) -> None:
        """Add row `e` of a window."""
        now = int(telemetry.t_ns[e])
        seconds = max(int(telemetry.window_ns[e]), 1) / 1e9
        self._t_ns.append(now)
        self._arrived.append(telemetry.total_arrived[e].copy())
        self._bandwidth.append(telemetry.bandwidth_bps[e].copy())
        self._objects.append(telemetry.objects[e] / seconds)
        self._frames.append(telemetry.frames[e] / seconds)
        while self._t_ns[0] < now - max(SPANS_S) * 1_000_000_000:
            for kept in (self._t_ns, self._arrived, self._bandwidth, self._objects, self._frames):
                kept.popleft()

    @property
    def knows_rates(self) -> bool:
        """Whether a window has passed."""
        return len(self._t_ns) > 1

    def rates(self, span_s: float) -> np.ndarray:
        """Requests/s that arrived at each instance in the last `span_s` seconds (what has passed of them), float64
        [S]."""
        since = self._t_ns[-1] - round(span_s * 1e9)
        first = next(k for k, t in enumerate(self._t_ns) if t >= since)
        seconds = (self._t_ns[-1] - self._t_ns[first]) / 1e9
        return (self._arrived[-1] - self._arrived[first]) / max(seconds, 1e-9)

    def peak_rates(self, spans_s: Sequence[float] = SPANS_S) -> np.ndarray:
        """The largest of the mean rates over several windows, float64 [S]."""
        return np.max([self.rates(span) for span in spans_s], axis=0)

    def bandwidth(self) -> np.ndarray:
        """Mean bit/s of each link, float64 [L]."""
        return np.mean(self._bandwidth, axis=0)

    def objects(self) -> np.ndarray:
        """Mean objects/s that each camera showed, float64 [C]."""
        return np.mean(self._objects, axis=0)

    def frames(self) -> np.ndarray:
        """Mean frames/s of each camera, float64 [C]."""
        return np.mean(self._frames, axis=0)
