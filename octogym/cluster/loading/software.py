"""Pipelines of a checked document: stages, edges, classes."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from octogym.cluster.loading.document import Document
from octogym.cluster.loading.hardware import refer
from octogym.cluster.topology import Edge, Stage

FIRST_CROP, LATER_CROP = 6_000, 3_000


class Pipelines:
    """`stages` and `edges` as in the cluster; `first[pipeline]` = its first stage."""

    def __init__(self, document: Document, data: Dict[str, Any]) -> None:
        self._document, self._data = document, data
        self.stages: List[Stage] = []
        self.edges: List[Edge] = []
        self.classes: List[str] = []
        self.first: Dict[str, int] = {}
        self.slo_ms: Dict[str, float] = {}
        for name, entry in data["pipelines"].items():
            self._add(name, entry)
        if not self.classes:  # no stage after the first ones: what the frames show does not matter
            self.classes.append("object")

    def index(self) -> Dict[str, int]:
        return {stage.name: k for k, stage in enumerate(self.stages)}

    def _add(self, name: str, entry: Dict[str, Any]) -> None:
        document = self._document
        path = ("pipelines", name)
        stages = entry["stages"]
        for stage, own in stages.items():
            for target in own["to"]:
                refer(document, (*path, "stages", stage, "to", target), target, stages)
        order = self._order(name, stages)
        self.slo_ms[name] = self._slo(name, entry)
        base = len(self.stages)
        self.first[name] = base
        for position, stage in enumerate(order):
            self._add_stage(name, stage, stages[stage], first=position == 0)
        place = {stage: base + k for k, stage in enumerate(order)}
        for stage in order:
            for target, edge in stages[stage]["to"].items():
                self._add_edge(
                    (*path, "stages", stage, "to", target), place[stage], place[target], edge, stage == order[0]
                )

    def _slo(self, name: str, entry: Dict[str, Any]) -> float:
        slo = entry["slo_ms"] if entry["slo_ms"] is not None else self._data["slo_ms"]
        if slo is None:
            raise self._document.error(
                ("pipelines", name, "slo_ms"), None, "milliseconds, here or as the top-level slo_ms"
            )
        return float(slo)

    def _order(self, name: str, stages: Dict[str, Any]) -> List[str]:
        """Stages so that each comes after all that feed it; exactly one is fed by none."""
        document, path = self._document, ("pipelines", name, "stages")
        fed = {stage: [other for other in stages if stage in stages[other]["to"]] for stage in stages}
        order: List[str] = []
        while len(order) < len(stages):
            ready = [stage for stage in stages if stage not in order and all(other in order for other in fed[stage])]
            if not ready:
                stuck = [stage for stage in stages if stage not in order]
                raise document.error(path, stuck, "stages without a cycle among them")
            order.append(ready[0])
        sources = [stage for stage in stages if not fed[stage]]
        if len(sources) != 1:
            raise document.error(
                path, sources, "exactly one stage that no other leads to: the first, which takes the frames"
            )
        return order

    def _add_stage(self, pipeline: str, stage: str, entry: Dict[str, Any], first: bool) -> None:
        document, path = self._document, ("pipelines", pipeline, "stages", stage)
        refer(document, path, stage, self._data["models"])
        children: Tuple[float, ...] = ()
        if first or not entry["to"]:
            if entry["children"] is not None:
                what = "a first stage (its crops are the trace's objects)" if first else "a stage without `to`"
                raise document.error((*path, "children"), entry["children"], f"no children on {what}")
        else:
            children = tuple(entry["children"] or (0.0, 1.0))
            if abs(sum(children) - 1.0) > 1e-6:
                raise document.error(
                    (*path, "children"), entry["children"], f"probabilities that sum to 1, not {sum(children):g}"
                )
        own = self._data["models"][stage]
        self.stages.append(
            Stage(pipeline, stage, first, children, tuple(own["queues"]), own["max_pack"] if first else 1)
        )

    def _add_edge(self, path: Tuple[str, ...], source: int, target: int, edge: Dict[str, Any], first: bool) -> None:
        name = edge["class"]
        if first and name is None:
            raise self._document.error(
                (*path, "class"), None, "the class of objects that takes this edge, such as 'car'"
            )
        if not first and name is not None:
            raise self._document.error((*path, "class"), name, "no class: only a first stage tells classes apart")
        if first and name not in self.classes:
            self.classes.append(name)
        crop = edge["crop_bytes"] or (FIRST_CROP if first else LATER_CROP)
        self.edges.append(Edge(source, target, self.classes.index(name) if first else -1, crop))
