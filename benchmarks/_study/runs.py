"""Runs of policies on test workloads: the same workloads for all, figures by run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._study.kept import kept
from octogym.cluster.backend import Policy
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.results import Episode
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario

#: Figures that are kept of each episode.
KEPT = (
    "on_time_share",
    "effective_throughput",
    "throughput",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "reward_mean",
    "missed_share",
    "dropped_share",
    "late_share",
    "link_bound_share",
)
#: Seed of a test workload: this + run x 100 + number; training's seeds are drawn from 2^53.
FIRST_SEED = 1000


@dataclass(frozen=True)
class Condition:
    """What is run on: a scenario's test split with changes that training never saw.

    `slo_ms`: another SLO for all pipelines; `load`: factor on the objects of all cameras; `changes`: dotted keys of the
    scenario with other values; `name`: instead of the label made of these.
    """

    scenario: str = "fcpo-testbed"
    split: str = "test"
    slo_ms: float | None = None
    load: float = 1.0
    changes: tuple[tuple[str, Any], ...] = ()
    name: str = ""

    @property
    def label(self) -> str:
        if self.name:
            return self.name
        parts = [self.scenario, self.split]
        parts += [] if self.slo_ms is None else [f"SLO {self.slo_ms:g} ms"]
        parts += [] if self.load == 1 else [f"load x{self.load:g}"]
        return ", ".join(parts)

    def load_scenario(self) -> Scenario:
        changes: dict[str, Any] = dict(self.changes)
        if self.slo_ms is not None:
            names = load_scenario(self.scenario).cluster.slo_ns
            changes.update({f"pipelines.{name}.slo_ms": self.slo_ms for name in names})
        if self.load != 1:
            changes["programme.load"] = [self.load, self.load]
        return load_scenario(self.scenario, {**changes, "split": self.split})


def seeds_of(run: int, workloads: int) -> list[int]:
    """Seeds of a run's workloads; every policy gets the same."""
    return [FIRST_SEED + 100 * run + k for k in range(workloads)]


def episodes(scenario: Scenario, policy: Policy | list[Policy], seeds: list[int], horizon_s: float) -> list[Episode]:
    """One episode per seed, all at once (consecutive seeds)."""
    if seeds != list(range(seeds[0], seeds[0] + len(seeds))):
        raise ValueError(f"seeds {seeds}: expected consecutive ones")
    backend = make_backend("sim", scenario, num_envs=len(seeds), check=False)
    recorder = Runner(backend, policy).run(horizon_s, seed=seeds[0])
    backend.close()
    if recorder.interrupted:
        raise KeyboardInterrupt
    return [recorder.episode(e) for e in range(len(seeds))]


def measure(
    condition: Condition,
    policies: Mapping[str, Callable[[int], str]],
    runs: int,
    workloads: int,
    horizon_s: float,
    say: Callable[[str], None],
    fewer: Mapping[str, int] | None = None,
    study: str = "fcpo",
) -> dict[str, dict[str, list[float]]]:
    """Policy -> figure -> one value per run (mean over its workloads); `first_on_time_share`: of each run's first
    workload alone. What has been measured is kept (`benchmarks._study.kept`).

    `policies`: label -> the policy's name for a run, `NAME[:ARG]` (trained ones have a checkpoint per run; several
    policies together are joined by `+`). `fewer`: label -> workloads per run where that is not `workloads`.
    """
    scenario = condition.load_scenario()
    found: dict[str, dict[str, list[float]]] = {}
    for label, name_of in policies.items():
        number = (fewer or {}).get(label, workloads)
        names = [name_of(run) for run in range(runs)]
        values = kept(
            {"scenario": fingerprint((scenario.cluster, scenario.plan(0))), "condition": condition.label},
            names,
            {"runs": runs, "workloads": number, "horizon": horizon_s},
            lambda names=names, number=number: _figures(scenario, names, number, horizon_s),
            study,
        )
        found[label] = values
        say(f"{condition.label}: {label} {100 * np.mean(values['on_time_share']):.2f} % on time")
    return found


def _figures(scenario: Scenario, names: list[str], workloads: int, horizon_s: float) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {key: [] for key in (*KEPT, "first_on_time_share")}
    for run, name in enumerate(names):
        made = [make_policy(one) for one in name.split("+")]
        figures = [e.figures() for e in episodes(scenario, made, seeds_of(run, workloads), horizon_s)]
        for key in KEPT:
            values[key].append(float(np.mean([f[key] for f in figures])))
        values["first_on_time_share"].append(figures[0]["on_time_share"])
    return values
