"""How fast training converges at 16, 26 and 100 nodes (OctoCross, Fig. 7 and 10).

    python benchmarks/octocross/convergence.py [--json FILE] [--quick]

16 and 26 nodes are those of campus-16 and city-26 (training split). The hundred are copies of both sites' measured
cameras, each group of copies shifted in time as a whole, so that what cameras of a site share in time stays; the paper
filled up with noise. Without measured traces the generated ones stand in.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._study.report import Said, arguments, band, figure, interval, table, verdict, write
from octogym.cluster.registry import load_scenario
from octogym.scheduler.octocross.config import preset
from octogym.scheduler.octocross.dataset import LoadSeries, of_scenario, of_table
from octogym.scheduler.octocross.fit import Fit, FitSettings
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.windows import chronological
from octogym.train.octocross.load_data import training_series

SIZES = {"16 nodes": "campus-16", "26 nodes": "city-26", "100 nodes": ""}
#: Converged: the validation loss is within this part of its whole fall.
WITHIN = 0.05


def hundred(horizon: int) -> LoadSeries:
    """100 nodes and a server: copies of the sites' cameras, group by group shifted by a quarter of the time."""
    try:
        sites = training_series(None, 1, ("real",), horizon)
    except (OSError, ValueError):
        sites = training_series(None, 1, ("synthetic",), horizon)
    steps = min(len(one) for one in sites)
    columns: list[np.ndarray] = []
    there: list[np.ndarray] = []
    for copy in range(100):
        for one in sites:
            turn = copy * steps // 4 + copy
            for n in np.flatnonzero(one.cameras):
                columns.append(np.roll(one.loads[:steps, n], turn))
                there.append(np.roll(one.available[:steps, n], turn))
        if len(columns) >= 100:
            break
    names = tuple(f"node{n}" for n in range(1, 101))
    loads, available = np.stack(columns[:100], 1), np.stack(there[:100], 1)
    return of_table("hundred", names, loads, available=available, horizon=horizon)


def data(size: str, horizon: int, episodes: int) -> list[LoadSeries]:
    if SIZES[size]:
        scenario = load_scenario(SIZES[size], {"split": "train"})
        return [of_scenario(scenario, seed, horizon=horizon) for seed in range(episodes)]
    one = hundred(horizon)
    return [replace(one, split=chronological(len(one), horizon))]


def main(argv: list[str] | None = None) -> int:
    parser = arguments(__doc__ or "", runs=2, steps=400, every=20, preset="fast")
    options = parser.parse_args(argv)
    runs, steps, every = (1, 20, 5) if options.quick else (options.runs, options.steps, options.every)
    say = Said()
    sizes = preset(options.preset)
    found: dict[str, Any] = {}
    for size in SIZES:
        series = data(size, sizes.horizon, 2 if options.quick else 8)
        curves, took = [], []
        for run in range(runs):
            ids = DeviceIds(sizes.positions)
            for one in series:
                ids.add([name for name, server in zip(one.nodes, one.servers, strict=True) if not server])
            settings = FitSettings(steps=steps, validate_every=every, average=0.95)
            fit = Fit(OctoCrossModel(sizes, run), series, ids, settings, run, keep_start=True)
            curve, start = [fit.before], time.perf_counter()
            while not fit.finished:
                fit.step()
                if fit.done % every == 0:
                    curve.append(fit.validation)
            curves.append(curve)
            took.append(time.perf_counter() - start)
            say(f"{size}, run {run}: loss {curve[0]:.3f} to {min(curve):.3f} in {took[-1]:.0f} s")
        found[size] = {"validation": curves, "every": every, "seconds": took}
    rows = [
        (
            size,
            interval([converged(curve) * every for curve in content["validation"]], digits=0),
            interval([curve[0] for curve in content["validation"]], digits=3),
            interval([min(curve) for curve in content["validation"]], digits=3),
            interval(content["seconds"], digits=0),
        )
        for size, content in found.items()
    ]
    head = ("size", "steps to convergence", "loss before", "best loss", f"s for {steps} steps")
    print(table(head, rows))
    after = {size: np.mean([converged(c) * every for c in content["validation"]]) for size, content in found.items()}
    verdicts = [
        verdict(
            "16 and 26 nodes converge after a similar number of steps",
            "similar (Fig. 7)",
            f"{after['16 nodes']:.0f} and {after['26 nodes']:.0f}",
            bool(max(after["16 nodes"], after["26 nodes"]) <= 2 * min(after["16 nodes"], after["26 nodes"])),
            "similar: at most twice as many",
        ),
        verdict(
            "100 nodes converge within the published 3000 steps",
            "yes (Fig. 10)",
            f"{after['100 nodes']:.0f} steps",
            bool(after["100 nodes"] < steps),
            f"measured over {steps} steps",
        ),
    ]
    if options.json:
        settings_ = {"runs": runs, "steps": steps, "every": every, "preset": options.preset}
        shown = {"title": f"Converged: within {100 * WITHIN:.0f} % of the whole fall", "head": head, "rows": rows}
        write(options.json, "convergence", options.quick, settings_, found, verdicts, [shown])
        plot(found, options.json)
    return 0


def converged(curve: list[float]) -> int:
    """Index of the first value within `WITHIN` of the whole fall."""
    values = np.array(curve)
    limit = values.min() + WITHIN * (values[0] - values.min())
    return int(np.argmax(values <= limit))


def plot(found: dict[str, Any], file: Path) -> None:
    pyplot = figure()
    drawing, ax = pyplot.subplots(figsize=(7, 4))
    for size, content in found.items():
        curves = np.array(content["validation"])
        band(ax, np.arange(curves.shape[1]) * content["every"], curves / curves[:, :1], size)
    ax.set_yscale("log")
    ax.set_xlabel("steps")
    ax.set_ylabel("validation loss, parts of that before training")
    ax.legend()
    drawing.tight_layout()
    drawing.savefig(file.with_suffix(".png"), dpi=110)
    pyplot.close(drawing)


if __name__ == "__main__":
    sys.exit(main())
