"""How many results a scenario asks for: the scale of the team reward."""

from __future__ import annotations

import numpy as np

from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster
from octogym.cluster.workload import END_UNAVAILABLE, CameraPlan

#: Episodes over which the mean is taken: those of these seeds.
SEEDS = range(8)
_SECOND = 1_000_000_000


def leaves_per_crop(cluster: Cluster) -> np.ndarray:
    """float64 [C, classes]: mean leaf results of one object in a frame of each camera."""
    known: dict[int, float] = {}

    def below(stage: int) -> float:
        if stage not in known:
            edges = cluster.out_edges(stage)
            chances = cluster.stages[stage].children
            mean = sum(n * p for n, p in enumerate(chances)) if chances else 1.0
            known[stage] = mean * sum(below(cluster.edges[k].target) for k in edges) if edges else 1.0
        return known[stage]

    table = np.zeros((cluster.C, max(1, len(cluster.classes))))
    for c, camera in enumerate(cluster.cameras):
        for k in cluster.out_edges(camera.stage):
            edge = cluster.edges[k]
            table[c, edge.object_class] += below(edge.target)
    return table


def mean_results(scenario: Scenario) -> float:
    """Mean leaf results/s that the scenario generates, over its horizon and the episodes of `SEEDS`; absences of
    devices are not taken off.

    Raises:
        ValueError: the scenario's plans have no cameras (a backend that makes its own workload) or no objects.
    """
    cluster = scenario.cluster
    worth = leaves_per_crop(cluster)
    total = 0.0
    for seed in SEEDS:
        plan = scenario.plan(seed)
        for c, camera in enumerate(plan.cameras):
            total += float(frame_objects(scenario, c, camera).sum(0) @ worth[c])
    mean = total / (len(SEEDS) * scenario.horizon_s)
    if not mean > 0:
        raise ValueError(
            f"scenario {scenario.name!r}: its plans hold no objects, so its mean results/s are not known; state them "
            "with results_per_s="
        )
    return mean


def frame_objects(scenario: Scenario, c: int, plan: CameraPlan) -> np.ndarray:
    """float64 [frames, classes]: objects that camera c's frames show in one episode of the scenario's horizon, in the
    mean over rounding; frame k is that of the time k / fps. Absences of its device are not taken off."""
    counts, fps = scenario.counts, scenario.cluster.cameras[c].fps
    start, series = plan.start_ns, plan.series
    frame = np.arange(int(scenario.horizon_s * fps))
    piece = np.searchsorted(start, (frame * (_SECOND / fps)).astype(np.int64), "right") - 1
    row = series[piece]
    on = row >= 0
    row = np.where(on, row, 0)
    sample = plan.offset[piece] + (frame * counts.rate_milli_hz[row]) // round(fps * 1000)
    length = counts.length[row]
    on &= sample < length if counts.end == END_UNAVAILABLE else True
    values = counts.counts[row, :, sample % length].astype(np.float64)
    # -1 stands for a sample that is not there.
    values = np.where(on[:, None], np.maximum(values, 0.0), 0.0)
    shown: np.ndarray = values * plan.factor_milli[piece, None] / 1000.0
    return shown
