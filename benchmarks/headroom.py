"""How much is to be gained in each scenario, and by whom (docs/scenarios.md, Headroom).

    python benchmarks/headroom.py [SCENARIO ...] [--seeds N] [--horizon S] [--quick]
                                  [--json FILE [--resume]] [--publish]

For each scenario, on the same test workloads: the share of generated results on time under the best common batch size,
the tuned static settings and shares (both searched on the training split only), the rate rule, and the windowed
best-in-hindsight; where devices can hand work on, the shares of it that fit locally and in one pool (octocross spec
7.5). A scenario has headroom if tuned static serves 70 to 92 % and hindsight at least 5 points more.

Rows are kept in the file of --json as they come; --resume measures only what is not there yet, or has changed since.
--publish writes the figures that `octogym scenarios` shows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# The checkout, for the modules beside this file, and for the package where it is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._headroom.report import HEAD, Store, line, summary
from benchmarks._headroom.study import Study
from octogym.agents.tuning import DEFAULT, Budget
from octogym.cli.headroom import publish
from octogym.cluster.errors import OctoGymError
from octogym.cluster.names import scenario_files

#: What is said while a scenario is measured, at most so often.
EVERY_S = 15.0
QUICK = Budget((0,), 40.0, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep. Returns 1 if a scenario failed, 130 if interrupted; one without headroom is no failure."""
    options = _options(arguments)
    try:
        store = Store(options.json, options.resume, options.scenarios)
    except ValueError as error:
        print(f"headroom: error: {error}", file=sys.stderr)
        return 2
    print(HEAD, flush=True)
    rows: list[dict[str, Any]] = []
    for name in options.scenarios:
        try:
            rows.append(_row(name, options, store))
        except KeyboardInterrupt:
            kept = f"; finished rows are in {options.json}, go on with --resume" if options.json else ""
            print(f"\ninterrupted at {name}{kept}", file=sys.stderr)
            return 130
        print(line(rows[-1]), flush=True)
    print(summary(rows))
    if options.publish:
        print(f"published: {publish(rows)}")
    return int(any("error" in row for row in rows))


def _row(name: str, options: argparse.Namespace, store: Store) -> dict[str, Any]:
    budget = QUICK if options.quick else DEFAULT
    try:
        study = Study(name, options.seeds, options.horizon, budget)
        row = store.finished(name, study.identity)
        if row is None:
            row = study.run(_Teller(name))
            store.add(row)
    except OctoGymError as error:
        row = {"scenario": name, "error": str(error)}
        store.add(row)
    return row


class _Teller:
    """Says on standard error how far a scenario is."""

    def __init__(self, name: str) -> None:
        self.name, self.began, self.last = name, time.monotonic(), time.monotonic()

    def __call__(self, what: str) -> None:
        now = time.monotonic()
        if now - self.last >= EVERY_S:
            self.last = now
            print(f"  {self.name}, {now - self.began:.0f} s: {what}", file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="default: every shipped one")
    parser.add_argument("--seeds", type=int, default=3, help="test episodes (%(default)s)")
    parser.add_argument("--horizon", type=int, default=180, help="seconds of each (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows there, as they come")
    parser.add_argument("--resume", action="store_true", help="use the finished rows of --json")
    parser.add_argument("--publish", action="store_true", help="write what `octogym scenarios` shows")
    parser.add_argument("--quick", action="store_true", help="one seed, 40 s, a small search")
    options = parser.parse_args(arguments)
    if options.resume and options.json is None:
        parser.error("--resume needs --json FILE")
    if options.seeds < 1 or options.horizon < 1:
        parser.error("--seeds and --horizon: expected at least 1")
    if options.quick:
        options.seeds, options.horizon = 1, 40
    options.scenarios = options.scenarios or list(scenario_files())
    return options


if __name__ == "__main__":
    sys.exit(main())
