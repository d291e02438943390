"""Warm against cold start on streets that no training saw.

    python benchmarks/fcpo/warm_start.py [--json FILE] [--quick]

Agents trained on the testbed's own streets (warm) and untrained ones (cold) begin on AI City's crossings and learn on
for 7 minutes, as in the paper's Fig. 10.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks._fcpo import trained
from benchmarks._fcpo.scenes import unseen
from benchmarks._fcpo.series import share
from benchmarks._study.report import Said, arguments, band, figure, interval, table, verdict, write
from benchmarks._study.runs import episodes, seeds_of
from octogym.agents.fcpo import FcpoPolicy

BUCKET = 30


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", runs=5, workloads=2, episodes=100, horizon=420).parse_args(argv)
    if options.quick:
        options.runs, options.workloads, options.episodes, options.horizon = 2, 1, 4, 120
    say = Said()
    condition = unseen("AI City's crossings")
    scenario, curves = condition.load_scenario(), {}
    for method in ("fcpo", "fcpo-plus"):
        settings = trained.settings_of(method)
        files = trained.method(method, options.runs, options.episodes)
        for start in ("warm", "cold"):
            rows = []
            for run in range(options.runs):
                policy = FcpoPolicy(str(files[run])) if start == "warm" else FcpoPolicy(settings=settings)
                lived = episodes(scenario, policy, seeds_of(run, options.workloads), float(options.horizon))
                rows.append(share(lived, BUCKET))
            curves[f"{method}, {start}"] = np.array(rows)
            say(f"{method}, {start}: {100 * np.mean(rows):.1f} %")
    results = {
        name: {
            "first_minute": values[:, :2].mean(1).tolist(),
            "last_minute": values[:, -2:].mean(1).tolist(),
            "all": values.mean(1).tolist(),
            "curve": values.mean(0).tolist(),
        }
        for name, values in curves.items()
    }
    print(table(("start", "on time in the first minute, %", "in the last, %", "in all, %"), [
        (name, *(interval(r[key], 100) for key in ("first_minute", "last_minute", "all")))
        for name, r in results.items()
    ]))  # fmt: skip
    if options.json is not None:
        shown = {k: v for k, v in vars(options).items() if k not in ("json", "quick")}
        write(options.json, "warm_start", options.quick, shown, results, _verdicts(results))
        _plot(options.json.with_suffix(".png"), curves)
    return 0


def _verdicts(results: dict[str, dict[str, list[float]]]) -> list[dict[str, object]]:
    lines = []
    for method in ("fcpo", "fcpo-plus"):
        warm, cold = results[f"{method}, warm"], results[f"{method}, cold"]
        first = [100 * float(np.mean(x["first_minute"])) for x in (warm, cold)]
        last = [100 * float(np.mean(x["last_minute"])) for x in (warm, cold)]
        at_once = f"{first[0]:.1f} % against {first[1]:.1f} % in the first minute"
        later = f"{last[0]:.1f} % against {last[1]:.1f} % in the last minute"
        lines += [
            verdict(f"{method}: a warm start serves more at once", "warm above cold", at_once, first[0] > first[1]),
            verdict(f"{method}: a cold start nearly catches up", "within 6 minutes", later, last[1] > 0.95 * last[0]),
        ]
    return lines


def _plot(file: Path, curves: dict[str, np.ndarray]) -> None:
    pyplot = figure()
    fig, ax = pyplot.subplots(figsize=(7, 4))
    for name, values in curves.items():
        band(ax, BUCKET * np.arange(1, values.shape[1] + 1), 100 * values, name)
    ax.set_xlabel("seconds since the start")
    ax.set_ylabel("results on time, %")
    ax.legend(fontsize=8)
    fig.tight_layout()
    fig.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
