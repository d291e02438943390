"""Cameras: when frames come and what the trace shows in them (contract, sections 3 and 7)."""

from __future__ import annotations

import math
from bisect import bisect_right

from octogym.cluster import draws
from octogym.cluster.scenario import Scenario
from octogym.cluster.workload import END_ERROR, END_UNAVAILABLE, CameraPlan
from tests.reference.keys import fold, uniform


class CameraSource:
    def __init__(self, scenario: Scenario, plan: CameraPlan, seed: int, index: int) -> None:
        self.index = index
        self.seed_key = fold(0, seed)
        self.table = scenario.counts
        self.plan = plan
        self.poisson = scenario.options.poisson_arrivals
        self.fps_milli = round(scenario.cluster.cameras[index].fps * 1000)
        gap = 10**12 // self.fps_milli
        self.phase = math.floor(uniform(fold(self.seed_key, int(draws.PHASE), index)) * gap)

    def time_of(self, k: int, before: int) -> int:
        """Time of frame k; `before` is that of frame k - 1 (0 for k = 0)."""
        if not self.poisson:
            return self.phase + k * 10**12 // self.fps_milli
        u = uniform(fold(self.seed_key, int(draws.ARRIVAL), self.index, k))
        return before + max(1, math.floor(-math.log(1.0 - u) * 1e12 / self.fps_milli))

    def key_of(self, k: int) -> int:
        return fold(self.seed_key, int(draws.OBJECT), self.index, k)

    def counts_at(self, k: int, time: int) -> tuple[int, ...] | None:
        """Objects per class in frame k; None = no frame is made."""
        segment = bisect_right(list(self.plan.start_ns), time) - 1
        series, factor = int(self.plan.series[segment]), int(self.plan.factor_milli[segment])
        if series < 0:
            return None
        length = int(self.table.length[series])
        sample = int(self.plan.offset[segment]) + k * int(self.table.rate_milli_hz[series]) // self.fps_milli
        if sample >= length:
            if self.table.end == END_UNAVAILABLE:
                return None
            if self.table.end == END_ERROR:
                raise RuntimeError(f"camera {self.index}: sample {sample} of a series of {length}")
            sample %= length
        values = [int(v) for v in self.table.counts[series, :, sample]]
        if -1 in values:
            return None
        return tuple(self._scaled(k, q, value * factor) for q, value in enumerate(values))

    def _scaled(self, k: int, q: int, milli: int) -> int:
        whole, rest = divmod(milli, 1000)
        if rest and uniform(fold(self.seed_key, int(draws.ROUNDING), self.index, k, q)) < rest / 1000:
            whole += 1
        return whole
