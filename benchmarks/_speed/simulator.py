"""The simulator against the bare replay and against the event list of the tests."""

from __future__ import annotations

from typing import Any

from benchmarks._speed.bare import BareReplay
from benchmarks._speed.result import Figure, Measured, Skip
from benchmarks._speed.timing import Budget, Side, compare
from benchmarks._speed.work import arrivals, left, rate_rule_decisions
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario
from octogym.sim import SimBackend

MILLION = 1e6
QUEUES = 256


def _simulator(scenario: Scenario, decisions: list[Decision], check: bool) -> tuple[Side, SimBackend]:
    backend = SimBackend(scenario, check=check)
    telemetry = backend.reset(0)
    return Side(backend.step, decisions, lambda: left(telemetry), lambda: backend.reset(0)), backend


def bare_replay(budget: Budget) -> Measured:
    """One environment of fcpo-testbed, every decision the rate rule's and recorded beforehand, unchecked as an
    environment's are; the bare replay has 256 queues, at which it is fastest."""
    scenario = load_scenario("fcpo-testbed")
    decisions = rate_rule_decisions(scenario, 0, 60 if budget.quick else 300)
    bare = BareReplay(QUEUES)
    other = Side(bare.step, bare.choices(1000), bare.left, bare.restart)
    side, backend = _simulator(scenario, decisions, check=False)
    found = compare(side, other, budget)
    checked = compare(_simulator(scenario, decisions, check=True)[0], other, budget)
    telemetry = backend.reset(0)
    for decision in decisions:
        telemetry = backend.step(decision)
    return Measured.of(
        found,
        [
            Figure("full semantics", found.ours / MILLION, "M requests/s"),
            Figure("bare replay", found.other / MILLION, "M requests/s"),
            Figure("with every decision validated", checked.ours / MILLION, "M requests/s"),
            Figure("decisions by the rate rule, arrivals", arrivals(telemetry, len(decisions)), "per agent-step"),
        ],
    )


class EventList:
    """The reference simulator of the tests, one episode after the other."""

    def __init__(self, scenario: Scenario) -> None:
        try:
            from tests.reference import ReferenceSim
        except ModuleNotFoundError as error:
            raise Skip("the tests are not here; run from a checkout") from error
        self._make = lambda: ReferenceSim(scenario, 0)
        self.restart()

    def restart(self) -> None:
        self._simulator = self._make()
        self._told: dict[str, Any] = {}

    def step(self, decision: Decision) -> None:
        self._told = self._simulator.step(decision)

    def left(self) -> int:
        return left(self._told) if self._told else 0


def _event_list(name: str, budget: Budget) -> Measured:
    scenario = load_scenario(name)
    windows = 20 if budget.quick else 60
    decisions = rate_rule_decisions(scenario, 0, windows)
    reference = EventList(scenario)
    side, _ = _simulator(scenario, decisions, check=False)
    other = Side(reference.step, decisions, reference.left, reference.restart)
    found = compare(side, other, budget, same_work=True)
    return Measured.of(
        found,
        [
            Figure("simulator", found.ours / MILLION, "M requests/s"),
            Figure("event list", found.other / 1e3, "k requests/s"),
        ],
    )


def traffic_2(budget: Budget) -> Measured:
    """Same seed, same decisions; both must have let the same number of requests go."""
    return _event_list("traffic-2", budget)


def fcpo_testbed(budget: Budget) -> Measured:
    """As `traffic_2`."""
    return _event_list("fcpo-testbed", budget)
