"""The most results/s that any offloading could have brought in on time in an episode of a scenario."""

from __future__ import annotations

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout, sustained_rates
from octogym.cluster.scenario import Scenario
from octogym.scheduler.octocross.bound import offloading_bound
from octogym.scheduler.rivals.foresight import foresee

#: Seconds that are solved at once; what is carried over between two such parts is given to both.
PART_S = 60


def ideal_on_time(scenario: Scenario, seed: int) -> float:
    """Fluid upper bound of results/s on time: `offloading_bound` on what the plan of ``seed`` brings.

    Bounded: work that nodes and links can do, second by second, at the scenario's own settings, with batches full, no
    pause between them and every detector at work on every frame; all routes of the scenario, with no limit on shares,
    which may change every second for every crop. Crops are fractions of a flow: in a real cluster they wait behind each
    other, batches wait to be full, and a frame's crops come at once, so nobody reaches it. Not bounded: other batch
    sizes or threads, detectors that fall behind and so leave their device to second stages, and the chance by which
    counts are rounded, which is taken in its mean: runs of one seed may be above it by that, where nothing is
    overloaded.

    Raises:
        MissingExtra: SciPy is not installed.
        ValueError: a scenario without anything to offload.
    """
    cluster = scenario.cluster
    layout = OffloadLayout(cluster, top_k=cluster.D)
    known = foresee(scenario, layout, seed)
    seconds = len(known.crops)
    rates = sustained_rates(cluster, layout.node_of >= 0, pause_ns=0)[layout.node_device]
    capacity = rates * known.there
    crops, worth = np.zeros((seconds, layout.M)), np.ones(layout.M)
    crops[:, : layout.N], worth[: layout.N] = known.crops, known.worth
    edges = np.zeros((layout.M, layout.M), bool)
    for n, targets in enumerate(layout.targets.tolist()):
        edges[n, [m for m in targets if m >= 0]] = True
    crop_bytes = np.full(layout.M, layout.crop_bytes.min())
    up = known.up / (8 * np.concatenate([layout.crop_bytes, crop_bytes[layout.N :]]))
    down = known.down / (8 * crop_bytes)
    late = min(1.0, max(camera.slo_ns for camera in cluster.cameras) / 1e9)
    total = 0.0
    for start in range(0, seconds, PART_S):
        part = slice(start, start + PART_S)
        total += offloading_bound(
            crops[part], capacity[part], edges, late, up[part], down[part], move_cost=0.0, worth=worth
        ).total
    return total / seconds
