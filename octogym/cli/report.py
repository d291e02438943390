"""What a run leaves: the table, the plots, summary.json."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octogym.cli import plots, store
from octogym.cli.table import summary, table
from octogym.cluster.scenario import Scenario


@dataclass
class Job:
    """One command: what to run, where to leave it, what came of it (label -> records)."""

    options: argparse.Namespace
    scenario: Scenario
    horizon_s: float
    seeds: list[int]
    out: Path
    origin: dict[str, Any]
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    interrupted: bool = False


def heading(job: Job) -> str:
    """What is run, and what of it is synthetic."""
    scenario, cluster = job.scenario, job.scenario.cluster
    seeds = str(job.seeds[0]) if len(job.seeds) == 1 else f"{job.seeds[0]}..{job.seeds[-1]}"
    lines = [
        f"{scenario.name}: {scenario.description}",
        f"{cluster.D} devices, {cluster.C} cameras, {cluster.S} agents; {job.horizon_s:g} s, seeds {seeds}, "
        f"{job.origin['split'] or 'all'} split, {'SYNTHETIC' if scenario.synthetic_traces else 'real'} traces, "
        f"{'SYNTHETIC' if scenario.synthetic_profiles else 'measured'} profiles",
    ]
    if job.horizon_s > scenario.horizon_s:
        lines.append(f"note: longer than the scenario's {scenario.horizon_s} s; not to be ranked")
    return "\n".join(lines)


def report(job: Job) -> None:
    """Write the summary, draw the plots, print the table (or JSON)."""
    results = {label: records for label, records in job.results.items() if records}
    summaries = summary(results)
    content = {"provenance": {**job.origin, "seeds": job.seeds, "horizon_s": job.horizon_s}, "policies": summaries}
    store.write_json(job.out / "summary.json", {**content, "complete": not job.interrupted})
    if summaries and not (job.options.no_plots or job.options.no_parquet):
        _draw(job, summaries)
    if job.options.json:
        print(json.dumps(store.clean({**content, "complete": not job.interrupted}), indent=2))
        return
    print(f"\n{table(summaries)}")
    what = "mean over seeds ± half of the 95 % interval" if len(job.seeds) > 1 else "one seed, no interval"
    print(f"\n{what}. {_caveats(job)}\nResults in {job.out}{os.sep}" + (" (interrupted)" if job.interrupted else ""))


def _caveats(job: Job) -> str:
    synthetic = [
        word
        for word, applies in (
            ("device profiles", job.scenario.synthetic_profiles),
            ("traces", job.scenario.synthetic_traces),
        )
        if applies
    ]
    if not synthetic:
        return "Real traces, measured profiles."
    return f"SYNTHETIC {' and '.join(synthetic)}: not measured on hardware, or not in the field."


def _draw(job: Job, summaries: dict[str, Any]) -> None:
    slo_ms = [ns / 1e6 for ns in job.scenario.cluster.slo_ns.values()]
    series = {}
    for label, records in job.results.items():
        if not records:
            continue
        seed = records[0]["provenance"]["seed"]
        windows = store.read_table(store.folder_of(job.out, label, seed), "windows")
        if len(windows["t_s"]) < 2:
            continue
        series[label] = windows
        title = f"{job.scenario.name}, {label}, seed {seed}{_mark(job)}"
        plots.policy_figure(job.out / "plots" / f"{store.slug(label)}.png", windows, slo_ms, title)
    if len(series) > 1:
        title = f"{job.scenario.name}, seed {job.results[next(iter(series))][0]['provenance']['seed']}{_mark(job)}"
        shown = {label: summaries[label] for label in series}
        plots.comparison_figure(job.out / "plots" / "comparison.png", series, shown, slo_ms, title)


def _mark(job: Job) -> str:
    """What a figure must say on its face."""
    traces, profiles = job.scenario.synthetic_traces, job.scenario.synthetic_profiles
    what = {(True, True): "traces and profiles", (True, False): "traces", (False, True): "profiles"}.get(
        (traces, profiles)
    )
    return f" (synthetic {what})" if what else ""
