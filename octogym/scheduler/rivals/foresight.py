"""What will happen in an episode, read from its plan: demand, links and absences, second by second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.results import frame_objects, leaves_per_crop
from octogym.cluster.scenario import Scenario
from octogym.cluster.workload import DEFAULT_BIT_PER_S, END_LOOP, LinkPlan, RateTable, WorkloadPlan

_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Foresight:
    """T seconds of one episode, N agents, M nodes (`OffloadLayout`).

    Attributes:
        crops: float64 [T, N] crops/s that the agents' cameras ask for, in the mean over rounding; a frame may fall into
            the next second.
        results: float64 [T, N] results/s that these crops are worth.
        up, down: float64 [T, M] bit/s, means of the seconds.
        there: bool [T, M] devices that are there.
    """

    crops: np.ndarray
    results: np.ndarray
    up: np.ndarray
    down: np.ndarray
    there: np.ndarray

    @property
    def worth(self) -> np.ndarray:
        """float64 [N]: results of one crop of each agent, the mean of the episode."""
        made = self.crops.sum(0)
        return np.divide(self.results.sum(0), made, out=np.ones(len(made)), where=made > 0)


def foresee(scenario: Scenario, layout: OffloadLayout, seed: int) -> Foresight:
    """The episode of `seed`, with the scenario's own horizon and options."""
    plan = scenario.plan(seed)
    seconds = int(np.ceil(scenario.horizon_s))
    there = _present(plan, layout, seconds)
    crops, results = _demand(scenario, layout, plan, seconds)
    crops, results = crops * there[:, : layout.N], results * there[:, : layout.N]
    D = layout.cluster.D
    up = np.stack([mean_rate(scenario.rates, plan.links[d], seconds) for d in layout.node_device], 1)
    down = np.stack([mean_rate(scenario.rates, plan.links[D + d], seconds) for d in layout.node_device], 1)
    return Foresight(crops, results, up, down, there)


def _demand(
    scenario: Scenario, layout: OffloadLayout, plan: WorkloadPlan, seconds: int
) -> tuple[np.ndarray, np.ndarray]:
    cluster = scenario.cluster
    worth = leaves_per_crop(cluster)
    crops, results = np.zeros((seconds, layout.N)), np.zeros((seconds, layout.N))
    for c, n in enumerate(layout.camera_agent.tolist()):
        if n < 0:
            continue
        objects = frame_objects(scenario, c, plan.cameras[c])
        second = np.minimum((np.arange(len(objects)) / cluster.cameras[c].fps).astype(np.int64), seconds - 1)
        crops[:, n] += np.bincount(second, objects @ (worth[c] > 0), seconds)
        results[:, n] += np.bincount(second, objects @ worth[c], seconds)
    return crops, results


def _present(plan: WorkloadPlan, layout: OffloadLayout, seconds: int) -> np.ndarray:
    there = np.ones((seconds, layout.M), bool)
    start = np.arange(seconds) * _SECOND
    for m, d in enumerate(layout.node_device.tolist()):
        for leaves, returns in plan.absent_ns[d].tolist():
            there[(start >= leaves) & (start < returns), m] = False
    return there


def mean_rate(rates: RateTable, plan: LinkPlan, seconds: int) -> np.ndarray:
    """float64 [seconds], bit/s that a link carries in each second of an episode."""
    end = seconds * _SECOND
    times, values = np.zeros(1, np.int64), np.full(1, float(DEFAULT_BIT_PER_S))
    if plan.series >= 0:
        length, turn = int(rates.length[plan.series]), int(rates.end_ns[plan.series])
        own, row = rates.t_ns[plan.series, :length], rates.bit_per_s[plan.series, :length].astype(np.float64)
        turns = np.arange(plan.offset_ns // turn, (plan.offset_ns + end) // turn + 1)
        times = (own[None, :] + turns[:, None] * turn - plan.offset_ns).ravel()
        values = np.where((turns == 0)[:, None] | (rates.end == END_LOOP), row, 0.0).ravel()
    edges = np.unique(np.concatenate([times, plan.start_ns, [0, end]]))
    edges = edges[(edges >= 0) & (edges <= end)]
    piece = np.searchsorted(times, edges[:-1], "right") - 1
    factor = plan.factor_milli[np.searchsorted(plan.start_ns, edges[:-1], "right") - 1] / 1000.0
    sent = np.concatenate([[0.0], np.cumsum(values[piece] * factor * np.diff(edges))]) / _SECOND
    return np.diff(np.interp(np.arange(seconds + 1) * _SECOND, edges, sent))
