"""OctopInf's cross-device workload distributor: batch sizes, replicas and places of one stream (fcpo spec 8.2, CWD)."""

from __future__ import annotations

from dataclasses import replace

from octogym.scheduler.estimate import Estimate, Links, Model, estimate, input_bytes, output_bytes
from octogym.scheduler.layout import EDGE, Layout, Stream
from octogym.scheduler.rates import StageRates

#: A doubled batch is kept if this part of the new cost is below the best cost so far.
GAIN = 0.98
#: A model moves to the cameras' device if this part of what it takes in is more than what it sends on.
SHRINK = 0.6


class Distributor:
    """Plans one stream: `plan()` gives the model of each stage.

    Args:
        layout: of the cluster.
        stream: to plan.
        rates: requests/s by stage of the stream.
        links: the network as known.
    """

    def __init__(self, layout: Layout, stream: Stream, rates: StageRates, links: Links) -> None:
        self.layout, self.stream, self.rates, self.links = layout, stream, rates, links
        self.sites: dict[int, str] = {}
        self.models: dict[int, Model] = {}

    def plan(self) -> dict[int, Model]:
        """Everything on the server as far as it may, then batches within half the SLO, then to the edge."""
        self._place()
        self._enlarge_batches()
        for stage in self.stream.stages:
            if not any(parent in self.models for parent in self.layout.parents[stage]):
                self._to_edge(stage)
        return self.models

    def estimate(self) -> Estimate:
        return estimate(self.layout, self.stream, self.models, self.links)

    def _place(self) -> None:
        """Models on the sites as stated; what moves to other instances keeps batch and replicas where it can."""
        instances = self.layout.cluster.instances
        for stage, slots in self.layout.choose(self.stream, self.sites).items():
            first, known = instances[slots[0]], self.models.get(stage)
            model = Model(slots, first.profile, first.device, self.rates[stage])
            if known is not None:
                batch = min(known.batch, model.profile.max_batch)
                model = replace(model, batch=batch, replicas=min(known.replicas, model.most))
            self.models[stage] = model.raised()

    def _enlarge_batches(self) -> None:
        budget = self.stream.slo_ns / 2
        best = self.estimate().cost_ns
        gained = True
        while gained:
            gained = False
            for stage, model in list(self.models.items()):
                if 2 * model.batch > model.profile.max_batch:
                    continue
                self.models[stage] = model.with_batch(2 * model.batch).raised()
                found = self.estimate()
                if found.latency_ns < budget and GAIN * found.cost_ns < best:
                    best, gained = found.cost_ns, True
                    self.models[stage] = self.models[stage].lowered()
                else:
                    self.models[stage] = model

    def _to_edge(self, stage: int) -> None:
        """Move a model to the cameras' device, then try those below it.

        The move, with those below that followed, is undone if it breaks the SLO and makes the path slower (D27). A
        model that may run there only goes through the same, so that its batch is the edge's. The batch there is 1, or
        where that does not carry the rate the smallest power of two that does within the SLO (the latter is ours).
        """
        stream = self.stream
        was_there = self.layout.at_edge(stream, self.models[stage].slots)
        shrinks = SHRINK * input_bytes(self.layout, stream, stage) > output_bytes(self.layout, stage, self.rates)
        if not (shrinks or was_there):
            return
        sites, models, before = dict(self.sites), dict(self.models), self.estimate()
        self.sites[stage] = EDGE
        self._place()
        if not self.layout.at_edge(stream, self.models[stage].slots):
            self.sites, self.models = sites, models
            return
        self._edge_batch(stage)
        for child in self.layout.children[stage]:
            if child in self.models:
                self._to_edge(child)
        after = self.estimate()
        if not (was_there or after.latency_ns <= stream.slo_ns or after.latency_ns < before.latency_ns):
            self.sites, self.models = sites, models

    def _edge_batch(self, stage: int) -> None:
        model = replace(self.models[stage], batch=1, replicas=1).raised()
        self.models[stage] = model
        while not model.covered() and 2 * model.batch <= model.profile.max_batch:
            model = model.with_batch(2 * model.batch)
            kept, self.models[stage] = self.models[stage], model
            if self.estimate().latency_ns > self.stream.slo_ns:
                self.models[stage] = kept
                return
