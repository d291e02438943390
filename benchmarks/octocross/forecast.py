"""Forecasts against persistence (the last value) on every series, on the last fifth of it, which no training saw.

    python benchmarks/octocross/forecast.py [--json FILE] [--quick]

OctoCross learns from the first 70 % of all series of a kind together (measured ones, or generated ones where there are
none), the LSTM and GNN_LSTM are not compared here: table2 says what their forecasts lead to. Squared error in objects
per frame, squared, mean over nodes, for 1 and 8 s ahead and the mean of 1 to 8 s.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._octocross.trained import STUDY
from benchmarks._study.kept import folder, once
from benchmarks._study.report import Said, arguments, figure, interval, table, verdict, write
from octogym.scheduler.octocross.config import preset
from octogym.scheduler.octocross.file import read_octocross
from octogym.scheduler.octocross.fit import FitSettings, forecast_errors
from octogym.train.checkpoint import POLICY_FILE, STATE_FILE
from octogym.train.octocross import OctoCrossTraining, train_octocross
from octogym.train.octocross.load_data import training_series

KINDS = ("real", "synthetic")
HORIZON = 8


def main(argv: list[str] | None = None) -> int:
    parser = arguments(__doc__ or "", runs=3, steps=1500, batch=1, preset="fast")
    options = parser.parse_args(argv)
    runs, steps = (1, 20) if options.quick else (options.runs, options.steps)
    say = Said()
    found: dict[str, Any] = {}
    for kind in KINDS:
        try:
            series = training_series(None, 1, (kind,), preset(options.preset).horizon)
        except (OSError, ValueError) as error:
            say(f"{kind}: left out: {error}")
            continue
        for run in range(runs):
            out = folder(STUDY) / f"forecast-{kind}-{options.preset}-{steps}-{options.batch}-{run}"
            once(out, lambda kind=kind, run=run, out=out: train(kind, run, out, options.preset, steps, options.batch))
            model = read_octocross(out / POLICY_FILE)
            for one in series:
                ours, last = forecast_errors(model.model, one, one.split.test, model.ids)
                kept = found.setdefault(f"{one.name} ({kind})", {"ours": [], "persistence": last.tolist()})
                kept["ours"].append(ours.tolist())
        say(f"{kind}: {runs} models")
    head = ("series", "1 s", "persistence", "8 s", "persistence", "1 to 8 s", "persistence")
    rows = [(name, *_cells(content)) for name, content in found.items()]
    print(table(head, rows))
    verdicts = [claim(name, content) for name, content in found.items()]
    for one in verdicts:
        print(f"- {one['claim']}: {one['ours']}: {one['borne_out']} {one['why']}")
    if options.json:
        settings = {"runs": runs, "steps": steps, "batch": options.batch, "preset": options.preset}
        shown = {"title": "Mean squared error", "head": head, "rows": rows}
        write(options.json, "forecast", options.quick, settings, found, verdicts, [shown])
        plot(found, options.json)
    return 0


def train(kind: str, run: int, out: Path, preset_name: str, steps: int, batch: int) -> bool:
    """Whether it was interrupted."""
    training = OctoCrossTraining(
        None,
        series=(kind,),
        preset=preset_name,
        settings=FitSettings(steps=steps, batch=batch),
        seed=run,
        out=out,
        resume=(out / STATE_FILE).exists(),
    )
    return train_octocross(training).interrupted


def _cells(content: dict[str, Any]) -> list[str]:
    ours, last = np.array(content["ours"]), np.array(content["persistence"])
    cells = []
    for pick in (slice(0, 1), slice(HORIZON - 1, HORIZON), slice(0, HORIZON)):
        cells += [interval(ours[:, pick].mean(1).tolist(), digits=3), f"{last[pick].mean():.3f}"]
    return cells


def claim(name: str, content: dict[str, Any]) -> dict[str, Any]:
    at = HORIZON - 1
    ours, last = [row[at] for row in content["ours"]], content["persistence"][at]
    return verdict(
        f"forecast {HORIZON} s ahead is better than persistence, {name}",
        "(our aim)",
        f"{interval(ours, digits=3)} against {last:.3f}",
        bool(max(ours) < last),
        f"{100 * (1 - np.mean(ours) / last):+.1f} % smaller error; every run is to be better",
    )


def plot(found: dict[str, Any], file: Path) -> None:
    pyplot = figure()
    drawing, axes = pyplot.subplots(1, len(found), figsize=(4 * len(found), 3.5), squeeze=False)
    for ax, (name, content) in zip(axes[0], found.items(), strict=True):
        ours = np.array(content["ours"])
        ahead = np.arange(1, ours.shape[1] + 1)
        ax.plot(ahead, content["persistence"], "--", color="black", label="persistence")
        ax.plot(ahead, ours.mean(0), label="OctoCross")
        ax.fill_between(ahead, ours.min(0), ours.max(0), alpha=0.2)
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("s ahead")
    axes[0, 0].set_ylabel("mean squared error")
    axes[0, 0].legend(fontsize=8)
    drawing.tight_layout()
    drawing.savefig(file.with_suffix(".png"), dpi=110)
    pyplot.close(drawing)


if __name__ == "__main__":
    sys.exit(main())
