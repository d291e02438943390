"""FCPO under OctoCross: both systems on one rack, against each alone.

    python benchmarks/octocross/rack.py [--json FILE] [--quick]

campus-16-rack, test split. FCPO's agents choose packing, batch size and threads of all instances; OctoCross chooses who
hands crops to whom. Alone, FCPO leaves every crop where it was made, and OctoCross leaves the settings as the scenario
has them. Everything is trained on the training split: FCPO's agents alone, and, `under`, while OctoCross already
offloads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._fcpo import trained as fcpo_trained
from benchmarks._octocross import offloads
from benchmarks._octocross.trained import Lesson, policy
from benchmarks._study.report import (
    Said,
    arguments,
    difference,
    figure,
    interval,
    surely_better,
    table,
    verdict,
    write,
)
from octogym.agents.fcpo.settings import FcpoSettings

SCENARIO = "campus-16-rack"
#: The same devices and cameras: OctoCross learns there.
TRAINED_ON = "campus-16"
BOTH = "fcpo-plus under octocross"
ALONE = ("fcpo-plus", "octocross")


def policies(runs: int, episodes: int, lesson: Lesson) -> dict[str, Callable[[int], str]]:
    plus = FcpoSettings.plus()
    files, _ = fcpo_trained.fcpo(
        "fcpo-plus-rack", range(runs), episodes, plus, SCENARIO, name="fcpo-plus", federated=False
    )
    shares = [policy("octocross,plus,shares", TRAINED_ON, run, lesson) for run in range(runs)]
    under = {}
    for run in range(runs):
        beside = {"name": "fcpo-plus", "federated": False, "beside": (shares[run],)}
        under.update(fcpo_trained.fcpo("fcpo-plus-under-octocross", (run,), episodes, plus, SCENARIO, **beside)[0])
    return {
        "none": lambda run: "none",
        "fcpo-plus": lambda run: f"fcpo-plus:{files[run]}",
        "octocross,published": lambda run: policy("octocross,published", TRAINED_ON, run, lesson),
        "octocross": lambda run: policy("octocross", TRAINED_ON, run, lesson),
        "fcpo-plus + octocross, each trained alone": lambda run: f"fcpo-plus:{files[run]}+{shares[run]}",
        BOTH: lambda run: f"fcpo-plus:{under[run]}+{shares[run]}",
    }


def main(argv: list[str] | None = None) -> int:
    parser = arguments(__doc__ or "", runs=3, workloads=4, steps=1500, episodes=150)
    options = parser.parse_args(argv)
    lesson = Lesson.quick() if options.quick else Lesson(steps=options.steps)
    runs, workloads, count = (1, 2, 2) if options.quick else (options.runs, options.workloads, options.episodes)
    say = Said()
    scenario = offloads.test_split(SCENARIO)
    bounds = offloads.limits(scenario, runs, workloads, say)
    rows = offloads.measure(scenario, policies(runs, count, lesson), runs, workloads, say)
    verdicts = claims(rows)
    head = ("policy", "on time, %", "results/s on time", "mean latency, ms", "95 %, ms")
    lines = [
        (
            label,
            interval(row["on_time_share"], 100),
            interval(row["effective_throughput"], digits=0),
            interval(row["latency_mean_s"], 1000, 0),
            interval(row["latency_p95_s"], 1000, 0),
        )
        for label, row in rows.items()
    ]
    print(table(head, lines))
    for one in verdicts:
        print(f"- {one['claim']}: {one['ours']}: {one['borne_out']} {one['why']}")
    if options.json:
        settings = {"runs": runs, "workloads": workloads, "steps": lesson.steps, "episodes": count}
        shown = {"title": "Both systems and each alone", "head": head, "rows": lines}
        write(options.json, "rack", options.quick, settings, {"limits": bounds, "policies": rows}, verdicts, [shown])
        plot(rows, bounds, options.json)
    return 0


def claims(rows: dict[str, Any]) -> list[dict[str, Any]]:
    both = rows[BOTH]["on_time_share"]
    return [
        verdict(
            f"{BOTH} serves more on time than {alone} alone, on the same workloads",
            "(our aim)",
            f"{difference(both, rows[alone]['on_time_share'], 100)} points",
            surely_better(both, rows[alone]["on_time_share"]),
        )
        for alone in ALONE
    ]


def plot(rows: dict[str, Any], bounds: dict[str, list[float]], file: Path) -> None:
    pyplot = figure()
    drawing, ax = pyplot.subplots(figsize=(8, 4))
    at = np.arange(len(rows))
    good = np.array([np.mean(row["effective_throughput"]) for row in rows.values()])
    every = np.array([np.mean(row["throughput"]) for row in rows.values()])
    ax.bar(at, good, label="on time")
    ax.bar(at, every - good, bottom=good, alpha=0.3, hatch="//", color="tab:blue", label="late")
    ax.axhline(np.mean(bounds["generated"]), linestyle="--", color="black", linewidth=1, label="ideal")
    ax.set_xticks(at, rows, rotation=20, ha="right", fontsize=8)
    ax.set_ylabel("results/s")
    ax.legend(fontsize=8)
    drawing.tight_layout()
    drawing.savefig(file.with_suffix(".png"), dpi=110)
    pyplot.close(drawing)


if __name__ == "__main__":
    sys.exit(main())
