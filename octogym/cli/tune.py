"""`octogym tune`: the best fixed settings of a scenario, searched on its training traces."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from octogym.agents.tuned_static import cache_file, tuned_file
from octogym.agents.tuning import DEFAULT, Budget
from octogym.cli.choose import UsageError, add_scenario_arguments, scenario_of, seeds_of
from octogym.cli.progress import Bar
from octogym.cluster.scenario import Scenario


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "tune", help="search the best fixed settings on the training traces (for tuned-static)"
    )
    add_scenario_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to keep them; default: the user's cache")
    parser.add_argument("--seed", default="0..3", metavar="N|N..M", help="training seeds (default %(default)s)")
    parser.add_argument(
        "--horizon", type=float, default=DEFAULT.horizon_s, metavar="S", help="seconds of each (%(default)g)"
    )
    parser.add_argument("--sweeps", type=int, default=DEFAULT.sweeps, help="passes over all settings (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads (%(default)s)")
    parser.add_argument("--again", action="store_true", help="search even if there is a result")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.sweeps < 1 or not options.horizon >= 1:
        raise UsageError("--sweeps and --horizon: expected at least 1")
    scenario = scenario_of(options, "train")
    budget = Budget(tuple(seeds_of(options.seed)), options.horizon, options.sweeps)
    file = options.out or cache_file(scenario, budget)
    if options.again and file.exists():
        file.unlink()
    tuned = tuned_with_progress(scenario, budget, file, options.threads)
    content = json.loads(tuned.read_text(encoding="utf-8"))
    share, common = content["provenance"]["share"], content["provenance"]["share_of_best_common_batch"]
    print(f"{scenario.name}: {share:.1%} on time on training seeds (best common batch {common:.1%}): {tuned}")
    for target, fields in content["settings"].items():
        print(f"  {target}: " + ", ".join(f"{field} {value}" for field, value in fields.items()))
    return 0


def tuned_with_progress(
    scenario: Scenario, budget: Budget, file: Path | None, threads: int, quiet: bool = False
) -> Path:
    """`tuned_file` with a bar of the environment-seconds simulated; silent where the result is there."""
    path = file or cache_file(scenario, budget)
    if path.exists():
        return path
    # How many candidates there will be is not known before; the bar counts without an end.
    with Bar(0, "tuning static settings on training traces", unit=" env-s", quiet=quiet) as bar:

        def advance(count: int, what: str) -> None:
            bar.advance(count, trying=what[:60])

        tuned_file(scenario, budget, path, threads, advance)
        share = json.loads(path.read_text(encoding="utf-8"))["provenance"]["share"]
        bar.advance(0, on_time=f"{share:.1%}")
    return path
