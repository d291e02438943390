"""Devices that come and go: 8 cameras, then 12, then 16, then four are gone (OctoCross, Fig. 8).

    python benchmarks/octocross/churn.py [--json FILE] [--quick]

campus-16, test split: devices 9 to 12 come at 40 s, 13 to 16 at 80 s, and 1 to 4 leave at 110 s. One model, trained on
all sixteen, and one trained on campus-8, which meets the others for the first time (their rows of the positional table
are unknown to it). Masks act at once; nothing is trained meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._octocross import offloads
from benchmarks._octocross.trained import STUDY, Lesson, policy
from benchmarks._study.kept import kept
from benchmarks._study.report import Said, arguments, band, figure, interval, table, verdict, write
from benchmarks._study.runs import episodes, seeds_of
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import make_policy
from octogym.cluster.scenario import Planner, Scenario
from octogym.cluster.workload import WorkloadPlan

#: (seconds from, to, devices there) of the phases.
PHASES = ((0, 40, "8 devices"), (40, 80, "12 devices"), (80, 110, "16 devices"), (110, 145, "four gone"))
#: Device numbers from, to, and when they are away.
AWAY = ((9, 12, (0, 40)), (13, 16, (0, 80)), (1, 4, (110, 10_000)))
_S = 1_000_000_000
#: Seconds after a change that are looked at apart.
SETTLING = 5


@dataclass(frozen=True)
class Absences:
    """A planner whose devices are away at set times. `absent_ns`: int64 [K, 2] per device."""

    planner: Planner
    absent_ns: tuple[np.ndarray, ...]

    def plan(self, seed: int, options: Mapping[str, Any]) -> WorkloadPlan:
        return replace(self.planner.plan(seed, options), absent_ns=self.absent_ns)


def coming_and_going(scenario: Scenario) -> Scenario:
    """The scenario with the absences of `AWAY`."""
    absent = []
    for device in scenario.cluster.devices:
        number = int(device.id.removeprefix("node")) if device.id.startswith("node") else 0
        gone = [np.array([when]) * _S for first, last, when in AWAY if first <= number <= last]
        absent.append(np.concatenate(gone) if gone else np.empty((0, 2), np.int64))
    return replace(scenario, planner=Absences(scenario.planner, tuple(a.astype(np.int64) for a in absent)))


def main(argv: list[str] | None = None) -> int:
    parser = arguments(__doc__ or "", runs=3, workloads=4, steps=1500)
    options = parser.parse_args(argv)
    lesson = Lesson.quick() if options.quick else Lesson(steps=options.steps)
    runs, workloads = (1, 2) if options.quick else (options.runs, options.workloads)
    say = Said()
    scenario = coming_and_going(offloads.test_split("campus-16"))
    chosen = {
        "none": lambda run: "none",
        "distream-offload": lambda run: policy("distream-offload", "campus-16", run, lesson),
        "octocross,published": lambda run: policy("octocross,published", "campus-16", run, lesson),
        "octocross": lambda run: policy("octocross", "campus-16", run, lesson),
        "octocross trained on 8": lambda run: policy("octocross", "campus-8", run % 2, lesson),
    }
    found: dict[str, Any] = {}
    for label, name_of in chosen.items():
        names = [name_of(run) for run in range(runs)]
        found[label] = kept(
            {"scenario": fingerprint((scenario.cluster, scenario.plan(0))), "figures": "churn"},
            names,
            {"runs": runs, "workloads": workloads},
            lambda names=names: measure(scenario, names, workloads),
            STUDY,
        )
        say(f"{label}: {[interval(found[label][phase], 100) for _, _, phase in PHASES]}")
    rows = [
        (label, *(interval(found[label][phase], 100) for _, _, phase in PHASES), interval(found[label]["changed"], 100))
        for label in chosen
    ]
    head = ("policy", *(phase for _, _, phase in PHASES), f"{SETTLING} s after a change")
    shown = {"title": "Results within the SLO, % of those asked for while a phase lasts", "head": head, "rows": rows}
    verdicts = claims(found)
    print(table(head, rows))
    for one in verdicts:
        print(f"- {one['claim']}: paper {one['paper']}, ours {one['ours']}: {one['borne_out']} {one['why']}")
    if options.json:
        settings = {"runs": runs, "workloads": workloads, "steps": lesson.steps}
        write(options.json, "churn", options.quick, settings, found, verdicts, [shown])
        plot(found, options.json)
    return 0


def measure(scenario: Scenario, names: list[str], workloads: int) -> dict[str, list[float]]:
    """Share on time by phase and in the seconds after changes, one per run; `second K`: on time in that second."""
    values: dict[str, list[float]] = {}
    last = PHASES[-1][1]
    changes = [start for start, _, _ in PHASES[1:]]
    for run, name in enumerate(names):
        done = episodes(scenario, make_policy(name), seeds_of(run, workloads), last)
        asked = np.sum([e.cameras["generated"].sum(1) for e in done], 0).astype(float)
        good = np.sum([e.cameras["on_time_results"].sum(1) for e in done], 0).astype(float)
        row = {phase: share(good[a:b], asked[a:b]) for a, b, phase in PHASES}
        near = np.concatenate([np.arange(t, t + SETTLING) for t in changes])
        row["changed"] = share(good[near], asked[near])
        row.update({f"second {k}": share(good[k : k + 1], asked[k : k + 1]) for k in range(last)})
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return values


def share(good: np.ndarray, asked: np.ndarray) -> float:
    return float(good.sum() / max(asked.sum(), 1.0))


def claims(found: dict[str, Any]) -> list[dict[str, Any]]:
    new, old = found["octocross trained on 8"], found["octocross"]
    phases = [phase for _, _, phase in PHASES[1:]]
    apart = [float(np.mean(old[p]) - np.mean(new[p])) for p in phases]
    mean = {label: float(np.mean([np.mean(rows[p]) for p in phases])) for label, rows in found.items()}
    return [
        verdict(
            "goes on through arrivals and departures: octocross serves more than none and Distream in every phase",
            "yes (Fig. 8, no number)",
            "; ".join(f"{label} {100 * value:.1f} %" for label, value in mean.items()),
            all(
                np.mean(old[p]) > np.mean(found[r][p])
                for p in (phase for _, _, phase in PHASES)
                for r in ("none", "distream-offload")
            ),
        ),
        verdict(
            "a model that never saw the new devices serves them as well (within 2 points) before it is trained on them",
            "trained anew at each change",
            f"{', '.join(f'{100 * x:+.1f}' for x in apart)} points behind the one that knows them",
            max(apart) <= 0.02,
        ),
    ]


def plot(found: dict[str, Any], file: Path) -> None:
    pyplot = figure()
    drawing, ax = pyplot.subplots(figsize=(10, 4))
    last = PHASES[-1][1]
    for label, rows in found.items():
        curve = np.array([rows[f"second {k}"] for k in range(last)]).T
        smooth = np.stack([np.convolve(np.pad(c, 2, "edge"), np.full(5, 0.2), "valid") for c in curve])
        band(ax, np.arange(last), 100 * smooth, label)
    for start, _, phase in PHASES:
        ax.axvline(start, color="black", linewidth=0.5)
        ax.text(start + 1, 101, phase, fontsize=8)
    ax.set_xlabel("s")
    ax.set_ylabel("% of results on time (5 s mean)")
    ax.legend(fontsize=8)
    drawing.tight_layout()
    drawing.savefig(file.with_suffix(".png"), dpi=110)
    pyplot.close(drawing)


if __name__ == "__main__":
    sys.exit(main())
