"""Runs of offloading policies: the same unseen workloads for all, figures by run, bounds beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks._headroom.bounds import bounds
from benchmarks._octocross.trained import STUDY
from benchmarks._study.kept import kept
from benchmarks._study.runs import episodes, seeds_of
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import load_scenario, make_policy
from octogym.cluster.scenario import Scenario
from octogym.scheduler.rivals.ideal import ideal_on_time

#: Figures of an episode that are kept, as `octogym.cluster.results.Episode.figures` names them.
FIGURES = (
    "effective_throughput",
    "throughput",
    "on_time_share",
    "late_share",
    "dropped_share",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "link_bound_share",
)


def test_split(name: str, changes: Mapping[str, Any] | None = None) -> Scenario:
    """A scenario on the part of its traces that no training saw."""
    return load_scenario(name, {**(changes or {}), "split": "test"})


def measure(
    scenario: Scenario,
    policies: Mapping[str, Callable[[int], str]],
    runs: int,
    workloads: int,
    say: Callable[[str], None],
    horizon_s: float | None = None,
    fewer: Mapping[str, int] | None = None,
) -> dict[str, dict[str, list[float]]]:
    """Policy -> figure -> one value per run, the mean over its workloads; `camera NAME on time` and `... late`: results
    per second. `policies`: label -> the policy's name for a run; several that act together are joined by `+`.
    `fewer`: label -> workloads per run where that is not `workloads`.
    """
    horizon = float(horizon_s or scenario.horizon_s)
    found = {}
    for label, name_of in policies.items():
        names = [name_of(run) for run in range(runs)]
        number = (fewer or {}).get(label, workloads)
        found[label] = kept(
            {"scenario": fingerprint((scenario.cluster, scenario.plan(0))), "figures": "offloads"},
            names,
            {"runs": runs, "workloads": number, "horizon": horizon},
            lambda names=names, number=number: _figures(scenario, names, number, horizon),
            STUDY,
        )
        share = found[label]["on_time_share"]
        say(f"{scenario.name}: {label} {100 * np.mean(share):.1f} % on time")
    return found


def _figures(scenario: Scenario, names: list[str], workloads: int, horizon_s: float) -> dict[str, list[float]]:
    cameras = [camera.id for camera in scenario.cluster.cameras]
    values: dict[str, list[float]] = {}
    for run, name in enumerate(names):
        made = [make_policy(one) for one in name.split("+")]
        done = episodes(scenario, made, seeds_of(run, workloads), horizon_s)
        figures = [e.figures() for e in done]
        row = {key: float(np.mean([f[key] for f in figures])) for key in FIGURES}
        for kind, counter in (("on time", "on_time_results"), ("late", "late")):
            rates = np.mean([e.cameras[counter].sum(0) for e in done], 0) / horizon_s
            row.update({f"camera {camera} {kind}": float(x) for camera, x in zip(cameras, rates, strict=True)})
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return values


def limits(scenario: Scenario, runs: int, workloads: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """By run: `generated` results/s, `programme` results/s on time that the linear programme allows at most, and the
    shares of the work that fit locally, into the pool of all camera devices, and with the servers."""
    found = kept(
        {"scenario": fingerprint((scenario.cluster, scenario.plan(0))), "figures": "limits"},
        [],
        {"runs": runs, "workloads": workloads},
        lambda: _limits(scenario, runs, workloads),
        STUDY,
    )
    most, all_of_it = np.mean(found["programme"]), np.mean(found["generated"])
    say(f"{scenario.name}: the linear programme allows {100 * most / all_of_it:.1f} % on time")
    return found


def _limits(scenario: Scenario, runs: int, workloads: int) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for run in range(runs):
        seeds = seeds_of(run, workloads)
        share = bounds(scenario, range(seeds[0], seeds[-1] + 1), scenario.horizon_s) or {}
        done = episodes(scenario, make_policy("none"), seeds, scenario.horizon_s)
        row = {
            "generated": float(np.mean([e.figures()["generated"] for e in done])) / scenario.horizon_s,
            "programme": float(np.mean([ideal_on_time(scenario, seed) for seed in seeds])),
            **share,
        }
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return values
