"""A scenario: a cluster, the traces that drive it, and how an episode's workload is drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Protocol

from octogym.cluster.options import SimOptions
from octogym.cluster.topology import Cluster
from octogym.cluster.workload import CountTable, RateTable, WorkloadPlan


class Planner(Protocol):
    """Draws the workload of one environment's episode."""

    def plan(self, seed: int, options: Mapping[str, Any]) -> WorkloadPlan: ...


@dataclass(frozen=True)
class FixedPlan:
    """A planner for which every episode is the same; tests and recorded runs."""

    workload: WorkloadPlan

    def plan(self, seed: int, options: Mapping[str, Any]) -> WorkloadPlan:
        return self.workload


@dataclass(frozen=True)
class Scenario:
    """`horizon_s`: default episode length, and the longest that is ranked. `provenance`: of profiles and traces;
    `synthetic_profiles`, `synthetic_traces` say what a report must state on its face."""

    name: str
    description: str
    cluster: Cluster
    counts: CountTable
    rates: RateTable
    planner: Planner
    horizon_s: int = 600
    options: SimOptions = field(default_factory=SimOptions)
    synthetic_profiles: bool = True
    synthetic_traces: bool = False
    provenance: Dict[str, str] = field(default_factory=dict)

    def plan(self, seed: int, options: Optional[Mapping[str, Any]] = None) -> WorkloadPlan:
        """The workload of one episode. `options`: `trace_offset_s`, and `overrides` of the load programme's keys."""
        return self.planner.plan(int(seed), options or {})
