"""Request rates of streams: nominal ones before anything is known, then what the telemetry says."""

from __future__ import annotations

import math

import numpy as np

from octogym.scheduler.history import SPANS_S, History
from octogym.scheduler.layout import Layout, Stream

#: Objects per frame that the published initial rates amount to (fcpo spec 7.8): rates at 15 frames/s over 15 x 1.2,
#: mean of traffic2 to 6 (cars) and of people2 and indoor1 (persons). Any other class: mean of all seven.
NOMINAL_OBJECTS = {"car": 9.5, "person": 7.6}
NOMINAL_OTHER = 9.0
NOMINAL_MARGIN = 1.2

#: requests/s by stage
StageRates = dict[int, float]


def nominal_rates(layout: Layout, stream: Stream) -> StageRates:
    """Rates of a stream before any is known (fcpo spec 7.8): its cameras' frames, then 1.2 times the nominal objects
    of a frame, at least one for each frame, rounded up; below that the mean number of crops that the stage before
    yields, at least one for each frame."""
    cluster = layout.cluster
    rates: StageRates = {}
    for stage in stream.stages:
        fps = [cluster.cameras[c].fps for c in stream.cameras]
        rates[stage] = sum(cluster.cameras[c].fps for c in stream.cameras if cluster.cameras[c].stage == stage)
        for edge in cluster.edges:
            if edge.target != stage or edge.source not in rates:
                continue
            if edge.object_class >= 0:
                objects = NOMINAL_MARGIN * NOMINAL_OBJECTS.get(cluster.classes[edge.object_class], NOMINAL_OTHER)
                rates[stage] += math.ceil(rates[edge.source] * max(objects, 1.0))
            else:
                children = cluster.stages[edge.source].children
                crops = sum(n * p for n, p in enumerate(children))
                rates[stage] += math.ceil(max(rates[edge.source] * crops, sum(fps)))
    return rates


def measured_rates(layout: Layout, history: History, share_milli: np.ndarray) -> list[StageRates]:
    """Rates of every stream: for each stage the largest of its mean arrivals over the last 15, 30 and 60 s.

    What arrives at an instance that several streams share is divided among them by the objects that their cameras
    show (frames for the first stage) and the part of each that the routes lead there.

    Args:
        layout: of the cluster.
        history: at least one window.
        share_milli: uint16 [R], in force.
    """
    S = layout.cluster.S
    flow = np.array([_flow(layout, stream, share_milli) for stream in layout.streams]).reshape(-1, S)
    first = np.array([layout.cluster.stages[i.stage].first for i in layout.cluster.instances], bool)
    frames, objects = history.frames(), history.objects()
    # An instance whose streams show nothing is divided evenly.
    frames_of, objects_of = (
        np.array([values[list(stream.cameras)].sum() + 1e-9 for stream in layout.streams]).reshape(-1, 1)
        for values in (frames, objects)
    )
    weight = flow * np.where(first, frames_of, objects_of)
    part = np.divide(weight, weight.sum(0), out=np.zeros_like(weight), where=weight.sum(0) > 0)
    found: list[StageRates] = [dict.fromkeys(stream.stages, 0.0) for stream in layout.streams]
    for span in SPANS_S:
        arrivals = part * history.rates(span)
        for n, stream in enumerate(layout.streams):
            for stage in stream.stages:
                at = [i for i, x in enumerate(layout.cluster.instances) if x.stage == stage]
                found[n][stage] = max(found[n][stage], float(arrivals[n, at].sum()))
    return found


def _flow(layout: Layout, stream: Stream, share_milli: np.ndarray) -> np.ndarray:
    """Part of the stream's requests for its stage that comes to each instance, float64 [S]."""
    cluster = layout.cluster
    flow = np.zeros(cluster.S + cluster.C)
    flow[[cluster.S + c for c in stream.cameras]] = 1 / len(stream.cameras)
    by_stage: dict[int, list[int]] = {}
    for r, route in enumerate(cluster.routes):
        by_stage.setdefault(route.stage, []).append(r)
    for stage in stream.stages:
        for r in by_stage.get(stage, ()):
            route = cluster.routes[r]
            flow[route.target] += flow[route.source] * share_milli[r] / 1000
    return flow[: cluster.S]
