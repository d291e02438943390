"""`octogym run`: policies on a scenario, with a table, plots and results that say where they come from."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from octogym.agents.tuning import DEFAULT
from octogym.cli import plots, store
from octogym.cli.choose import (
    UsageError,
    add_scenario_arguments,
    policies_of,
    scenario_of,
    seeds_of,
    windows_of,
)
from octogym.cli.progress import Bar
from octogym.cli.provenance import policy_digest, provenance
from octogym.cli.report import Job, heading, report
from octogym.cli.tune import tuned_with_progress
from octogym.cluster.errors import ScenarioError
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import backends, is_backend_file, make_backend, make_policy
from octogym.cluster.runner import Runner, Window
from octogym.cluster.scenario import Scenario

TUNED, HINDSIGHT = "tuned-static", "best-in-hindsight"
#: Environments simulated at once; more only cost memory.
AT_ONCE = 16
INTERRUPTED = 130


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("run", help="run policies on a scenario; leaves a table, plots and results")
    add_scenario_arguments(parser)
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help="policy to run (default rate-rule); several run together, each setting its own part",
    )
    parser.add_argument(
        "--compare", default="", metavar="A,B,C", help="policies to run one after the other; A+B run together"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="LABEL=A+B",
        help="policies that run together, under a name for table and plots; may be repeated",
    )
    parser.add_argument("--horizon", type=float, metavar="S", help="seconds (default: the scenario's)")
    parser.add_argument("--seed", default="0..2", metavar="N|N..M", help="seeds (default %(default)s)")
    parser.add_argument(
        "--split", choices=("train", "test", "all"), help="part of the traces (default: test where there is one)"
    )
    parser.add_argument(
        "--envs", type=int, metavar="E", help=f"seeds simulated at once (default: all, at most {AT_ONCE})"
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="CPU threads of the simulator (%(default)s)"
    )
    parser.add_argument("--backend", default="sim", help="a name, a rack file or a recorded run (default %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="results (default runs/SCENARIO)")
    parser.add_argument(
        "--resume", action="store_true", help="keep finished results in DIR that come from the same inputs"
    )
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--no-parquet", action="store_true", help="leave summary.json and figures only")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    chosen = policies_of(options)
    for policies in chosen.values():
        for policy in policies:
            make_policy(policy)  # a bad argument is said before anything runs
    job = _job(options)
    _say(job, heading(job))
    try:
        for label, policies in chosen.items():
            _run_policy(job, label, policies)
            if job.interrupted:
                break
    except KeyboardInterrupt:
        job.interrupted = True
    if job.results:
        report(job)
    return INTERRUPTED if job.interrupted else 0


def _job(options: argparse.Namespace) -> Job:
    for name in ("envs", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value}: expected at least 1")
    if options.backend not in backends() and not is_backend_file(options.backend):
        there = f"rack files (.toml), recorded runs (.parquet) and {', '.join(sorted(backends()))}"
        raise UsageError(f"no backend {options.backend!r}; there are {there}")
    if not options.no_parquet:
        store.require_pyarrow()
    if not options.no_plots:
        plots.require_matplotlib()
    seeds = seeds_of(options.seed)
    scenario = _on_split(options)
    horizon_s = windows_of(options.horizon, scenario)
    out = options.out or Path("runs") / store.slug(scenario.name)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}") from error
    return Job(options, scenario, horizon_s, seeds, out, provenance(scenario, options.backend, options.command_line))


def _on_split(options: argparse.Namespace) -> Scenario:
    """Policies are tuned and trained on `train`, so a run is on `test` wherever the scenario has one."""
    if options.split:
        return scenario_of(options, options.split)
    try:
        return scenario_of(options, "test")
    except ScenarioError as error:
        if error.key != "split":
            raise
        return scenario_of(options)


def _say(job: Job, text: str) -> None:
    print(text, file=sys.stderr if job.options.json else sys.stdout, flush=True)


def _run_policy(job: Job, label: str, policies: list[str]) -> None:
    policies = [_with_file(job, policy) for policy in policies]
    wanted = {seed: {**job.origin, **_identity(job, policies, seed)} for seed in job.seeds}
    records: dict[int, dict[str, Any]] = {}
    if job.options.resume:
        for seed, origin in wanted.items():
            record = store.load(store.folder_of(job.out, label, seed), origin, not job.options.no_parquet)
            if record is not None:
                records[seed] = record
    missing = [seed for seed in job.seeds if seed not in records]
    if len(missing) < len(job.seeds):
        _say(job, f"{label}: {len(job.seeds) - len(missing)} of {len(job.seeds)} seeds are there")
    at_once = job.options.envs or (1 if is_backend_file(job.options.backend) else min(AT_ONCE, len(job.seeds)))
    for seeds in _consecutive(missing, at_once):
        records.update(_run_seeds(job, label, policies, seeds, wanted))
        if job.interrupted:
            break
    job.results[label] = [records[seed] for seed in job.seeds if seed in records]


def _with_file(job: Job, policy: str) -> str:
    """Tuned settings come from a search on the training split; the file goes with the results."""
    if policy == TUNED:
        return f"{TUNED}:{_tuned(job)}"
    if policy == HINDSIGHT and (job.out / f"{TUNED}.json").exists():
        return f"{HINDSIGHT}:start={job.out / f'{TUNED}.json'}"
    return policy


def _tuned(job: Job) -> Path:
    try:
        training = scenario_of(job.options, "train")
    except ScenarioError as error:
        if error.key != "split":
            raise
        raise UsageError(
            f"{TUNED}: {job.scenario.name} has no training split; tune one and give {TUNED}:FILE"
        ) from error
    found = tuned_with_progress(training, DEFAULT, None, job.options.threads)
    return Path(shutil.copyfile(found, job.out / f"{TUNED}.json"))


def _identity(job: Job, policies: list[str], seed: int) -> dict[str, Any]:
    return {
        "policy": "+".join(policies),
        "policy_sha256": policy_digest(policies),
        "seed": seed,
        "horizon_s": job.horizon_s,
        "workload_sha256": fingerprint(job.scenario.plan(seed)),
    }


def _consecutive(seeds: list[int], most: int) -> list[list[int]]:
    """Runs of consecutive seeds, since environment e of a batch takes seed + e."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1 and len(runs[-1]) < most:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return runs


def _run_seeds(
    job: Job, label: str, policies: list[str], seeds: list[int], wanted: dict[int, dict[str, Any]]
) -> dict[int, dict[str, Any]]:
    settings = {"threads": job.options.threads} if job.options.backend == "sim" else {}
    backend = make_backend(job.options.backend, job.scenario, num_envs=len(seeds), **settings)
    runner = Runner(backend, [make_policy(policy) for policy in policies], names=policies)
    totals = [0, 0, 0.0, 0]
    with Bar(round(job.horizon_s * 1e9 / job.scenario.cluster.period_ns), label) as bar:

        def advance(window: Window) -> None:
            totals[0] += int(window.telemetry.on_time_results.sum())
            totals[1] += int(window.telemetry.generated.sum())
            totals[2] += float(window.reward.mean())
            totals[3] += 1
            bar.advance(1, reward=f"{totals[2] / totals[3]:.3f}", on_time=f"{totals[0] / max(totals[1], 1):.1%}")

        recorder = runner.run(job.horizon_s, seeds[0], advance)
    backend.close()
    job.interrupted = recorder.interrupted
    records = {}
    for e, seed in enumerate(seeds if recorder.recorded else []):
        episode = recorder.episode(e)
        record = {"provenance": wanted[seed], "complete": not recorder.interrupted, "figures": episode.figures()}
        store.save(
            store.folder_of(job.out, label, seed), job.scenario.cluster, episode, record, not job.options.no_parquet
        )
        records[seed] = record
    return records
