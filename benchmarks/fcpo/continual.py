"""Continual against frozen agents while scenes switch.

    python benchmarks/fcpo/continual.py [--json FILE] [--quick]

The same trained agents, learning on or frozen, live through streets that no training saw; every 5 minutes each camera
turns to another crossing with another crowd (the paper's Fig. 13: a new source every 5 minutes, 50 minutes).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks._fcpo import trained
from benchmarks._fcpo.scenes import unseen
from benchmarks._fcpo.series import effective, share
from benchmarks._study.report import Said, apart, arguments, band, difference, figure, interval, table, verdict, write
from benchmarks._study.runs import episodes, seeds_of
from octogym.agents.fcpo import FcpoPolicy

BUCKET = 60


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", runs=5, workloads=1, episodes=100, horizon=3000).parse_args(argv)
    if options.quick:
        options.runs, options.workloads, options.episodes, options.horizon = 2, 1, 4, 180
    say = Said()
    switches = {"dwell_s": [300, 300], "factor": [0.4, 1.8], "cameras": ["traffic*"]}
    changes = {"programme.switches": switches, "horizon_s": options.horizon, "end": "loop"}
    scenario = unseen("AI City's crossings, switching", **changes).load_scenario()
    shares, rates = {}, {}
    for method in ("fcpo", "fcpo-plus"):
        files = trained.method(method, options.runs, options.episodes)
        for kind in ("continual", "frozen"):
            lived = [
                episodes(
                    scenario,
                    FcpoPolicy(str(files[run]), learning=kind == "continual"),
                    seeds_of(run, options.workloads),
                    float(options.horizon),
                )
                for run in range(options.runs)
            ]
            shares[f"{method}, {kind}"] = np.array([share(one, BUCKET) for one in lived])
            rates[f"{method}, {kind}"] = np.array([effective(one, BUCKET) for one in lived])
            say(f"{method}, {kind}: {100 * shares[f'{method}, {kind}'].mean():.1f} %")
    results = {
        name: {
            "on_time_share": shares[name].mean(1).tolist(),
            "effective_throughput": rates[name].mean(1).tolist(),
            "last_ten_minutes": shares[name][:, -10:].mean(1).tolist(),
            "curve": shares[name].mean(0).tolist(),
        }
        for name in shares
    }
    print(table(("agents", "on time, %", "effective, results/s", "on time in the last ten minutes, %"), [
        (name, interval(r["on_time_share"], 100), interval(r["effective_throughput"], 1, 0),
         interval(r["last_ten_minutes"], 100))
        for name, r in results.items()
    ]))  # fmt: skip
    if options.json is not None:
        shown = {k: v for k, v in vars(options).items() if k not in ("json", "quick")}
        write(options.json, "continual", options.quick, shown, results, _verdicts(results))
        _plot(options.json.with_suffix(".png"), shares)
    return 0


def _verdicts(results: dict[str, dict[str, list[float]]]) -> list[dict[str, object]]:
    lines = []
    for method in ("fcpo", "fcpo-plus"):
        on, off = (results[f"{method}, {kind}"]["effective_throughput"] for kind in ("continual", "frozen"))
        gain = float(np.mean(on) / np.mean(off) - 1)
        lines.append(verdict(f"{method}: throughput gained by continual adaptation", "> 13 %",
                             f"{100 * gain:+.1f} %", gain > 0.13,
                             "" if gain > 0.13 else f"paired difference {difference(on, off)} results/s, intervals "
                             f"{'apart' if apart(on, off) else 'not apart'}"))  # fmt: skip
    return lines


def _plot(file: Path, curves: dict[str, np.ndarray]) -> None:
    pyplot = figure()
    fig, ax = pyplot.subplots(figsize=(8, 4))
    for name, values in curves.items():
        band(ax, BUCKET / 60 * np.arange(1, values.shape[1] + 1), 100 * values, name)
    ax.set_xlabel("minutes")
    ax.set_ylabel("results on time, %")
    ax.legend(fontsize=8)
    fig.tight_layout()
    fig.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
