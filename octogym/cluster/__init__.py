"""The vocabulary that all rooms share: clusters, scenarios, decisions, telemetry, traces, and what names stand for."""

from octogym.cluster.backend import Backend, Policy, Seed, View
from octogym.cluster.decision import Decision
from octogym.cluster.errors import MissingExtra, OctoGymError, ScenarioError, TraceError
from octogym.cluster.options import SimOptions
from octogym.cluster.registry import (
    backends,
    load_scenario,
    make_backend,
    make_policy,
    policies,
    scenarios,
)
from octogym.cluster.scenario import FixedPlan, Planner, Scenario
from octogym.cluster.settings import DEADLINE, KEEP, KEEP_SHARE, PACK_RECALL, THREAD_ACTIONS, Settings
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import (
    Camera,
    Cluster,
    Device,
    DeviceType,
    Edge,
    Instance,
    Profile,
    Route,
    Stage,
)
from octogym.cluster.workload import CameraPlan, CountTable, LinkPlan, RateTable, WorkloadPlan

__all__ = [
    "DEADLINE",
    "KEEP",
    "KEEP_SHARE",
    "PACK_RECALL",
    "THREAD_ACTIONS",
    "Backend",
    "Camera",
    "CameraPlan",
    "Cluster",
    "CountTable",
    "Decision",
    "Device",
    "DeviceType",
    "Edge",
    "FixedPlan",
    "Instance",
    "LinkPlan",
    "MissingExtra",
    "OctoGymError",
    "Planner",
    "Policy",
    "Profile",
    "RateTable",
    "Route",
    "Scenario",
    "ScenarioError",
    "Seed",
    "Settings",
    "SimOptions",
    "Stage",
    "Telemetry",
    "TraceError",
    "View",
    "WorkloadPlan",
    "backends",
    "load_scenario",
    "make_backend",
    "make_policy",
    "policies",
    "scenarios",
]
