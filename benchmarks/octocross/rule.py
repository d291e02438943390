"""What each part of our rule is worth on the same trained models, and the published clamp theta.

    python benchmarks/octocross/rule.py [--json FILE] [--quick]

campus-16 and city-26, test split. The published rule moves what exceeds a node's capacity, to its sixteen best
connected neighbours, half of its load at most to each, and fills nine tenths of their room. The paper gives theta no
value.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._octocross import offloads
from benchmarks._octocross.trained import STUDY, Lesson, checkpoint
from benchmarks._study.kept import kept
from benchmarks._study.report import Said, arguments, difference, figure, interval, surely_better, table, verdict, write
from benchmarks._study.runs import episodes, seeds_of
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.scenario import Scenario
from octogym.scheduler.octocross.config import Limits
from octogym.scheduler.octocross.decider import OctoCrossDecider
from octogym.scheduler.octocross.file import read_octocross
from octogym.scheduler.octocross.rule import PLUS, PUBLISHED, Rule, shares_by_rule
from octogym.scheduler.offload.decider import LocalDecider
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.offload.sample import Sample

SCENARIOS = ("campus-16", "city-26")
RULES: dict[str, Rule] = {
    "published (theta 0.5, beta 0.9)": PUBLISHED,
    **{f"published, theta {theta}": replace(PUBLISHED, limits=Limits(theta=theta)) for theta in (0.3, 0.7, 1.0)},
    "published, four targets": replace(PUBLISHED, targets=4),
    "published, every node a target": replace(PUBLISHED, targets=None),
    "plus": PLUS,
    "plus, four targets": replace(PLUS, targets=4),
    "plus, nodes planned full": replace(PLUS, level=None),
    "plus, nothing shed": replace(PLUS, shed=False),
    "plus, theta 0.5, beta 0.9": replace(PLUS, limits=Limits()),
}
#: Our rule without a model: equal scores, and the present load instead of a forecast.
BLIND = "plus, without the model"


class Blind(LocalDecider):
    """`PLUS` on equal scores and the present load."""

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        load, capacity = (np.where(sample.valid, x, 0.0) for x in (sample.load, sample.capacity))
        where = (sample.edges, sample.routes, sample.valid, sample.servers)
        return shares_by_rule(np.zeros_like(sample.views[0]), load, capacity, *where, PLUS)


def policy(file: Path, rule: Rule | None) -> OffloadPolicy:
    """The model of a checkpoint under a rule; None: `Blind`."""
    if rule is None:
        return OffloadPolicy(Blind(), targets=PLUS.targets)
    found = read_octocross(file)
    decider = OctoCrossDecider(found.config, found.arrays, found.ids, rule)
    return OffloadPolicy(decider, known=(*found.ids.known,), history=found.config.history, targets=rule.targets)


def main(argv: list[str] | None = None) -> int:
    parser = arguments(__doc__ or "", runs=3, workloads=4, steps=1500)
    options = parser.parse_args(argv)
    lesson = Lesson.quick() if options.quick else Lesson(steps=options.steps)
    runs, workloads = (1, 2) if options.quick else (options.runs, options.workloads)
    say = Said()
    found: dict[str, dict[str, list[float]]] = {}
    for name in SCENARIOS:
        scenario = offloads.test_split(name)
        files = [checkpoint("octocross", name, run, lesson) for run in range(runs)]
        found[name] = {}
        for label, rule in {**RULES, BLIND: None}.items():
            values = kept(
                {
                    "scenario": fingerprint((scenario.cluster, scenario.plan(0))),
                    "rule": asdict(rule) if rule else BLIND,
                },
                [f"octocross:{file}" for file in files],
                {"runs": runs, "workloads": workloads},
                lambda scenario=scenario, files=files, rule=rule: on_time(scenario, files, rule, workloads),
                STUDY,
            )
            found[name][label] = values["on_time_share"]
            say(f"{name}: {label} {interval(found[name][label], 100)} % on time")
    rows = [(label, *(cell for name in SCENARIOS for cell in _cells(found[name], label))) for label in (*RULES, BLIND)]
    head = ("rule", *(cell for name in SCENARIOS for cell in (name, "against its whole, points")))
    print(table(head, rows))
    verdicts = [
        verdict(
            f"our rule serves more on time than the published one, {name}",
            "(ours)",
            f"{difference(found[name]['plus'], found[name]['published (theta 0.5, beta 0.9)'], 100)} points",
            bool(np.mean(found[name]["plus"]) > np.mean(found[name]["published (theta 0.5, beta 0.9)"])),
        )
        for name in SCENARIOS
    ] + [
        verdict(
            f"the model (its forecast and scores) adds to our rule, {name}",
            "(our aim)",
            f"{difference(found[name]['plus'], found[name][BLIND], 100)} points",
            surely_better(found[name]["plus"], found[name][BLIND]),
            "the loop decides again at every overload, 3 s apart at least, so the present load is nearly as good",
        )
        for name in SCENARIOS
    ]
    if options.json:
        settings = {"runs": runs, "workloads": workloads, "steps": lesson.steps}
        shown = {"title": "Results within the SLO, %", "head": head, "rows": rows}
        write(options.json, "rule", options.quick, settings, found, verdicts, [shown])
        plot(found, options.json)
    return 0


def on_time(scenario: Scenario, files: list[Path], rule: Rule | None, workloads: int) -> dict[str, list[float]]:
    values = []
    for run, file in enumerate(files):
        done = episodes(scenario, policy(file, rule), seeds_of(run, workloads), scenario.horizon_s)
        values.append(float(np.mean([e.figures()["on_time_share"] for e in done])))
    return {"on_time_share": values}


def _cells(found: dict[str, list[float]], label: str) -> tuple[str, str]:
    whole = next(
        name for name in ("plus", "published (theta 0.5, beta 0.9)") if label.startswith(name.split(" ")[0].rstrip(","))
    )
    against = "" if label == whole else difference(found[label], found[whole], 100)
    return interval(found[label], 100), against


def plot(found: dict[str, Any], file: Path) -> None:
    pyplot = figure()
    drawing, ax = pyplot.subplots(figsize=(9, 4.5))
    for k, (name, rows) in enumerate(found.items()):
        at = np.arange(len(rows)) + (k - 0.5) * 0.4
        ax.barh(at, [100 * np.mean(v) for v in rows.values()], 0.4, label=name)
    ax.set_yticks(range(len(RULES) + 1), (*RULES, BLIND), fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("% of results on time")
    ax.legend(fontsize=8)
    drawing.tight_layout()
    drawing.savefig(file.with_suffix(".png"), dpi=110)
    pyplot.close(drawing)


if __name__ == "__main__":
    sys.exit(main())
