"""The README's picture: on-time results over time on fcpo-testbed, from the results of `make run`.

octogym run fcpo-testbed --compare random,static,tuned-static,rate-rule --out runs/fcpo-testbed
python benchmarks/readme_picture.py [--runs runs/fcpo-testbed] [--out docs/images/fcpo-testbed.png]
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cli.plots import BLUE, GREEN, ORANGE, RED, require_matplotlib, smooth
from octogym.cli.store import folder_of, read_table

# Drawn in this order; direct labels at the right, so that the picture reads without a legend.
LOOKS = {
    "random": (ORANGE, "-", 1.4),
    "static": (RED, "--", 1.4),
    "tuned-static": (BLUE, (0, (6, 1.5)), 1.9),
    "rate-rule": (GREEN, "-", 1.9),
}
NAMES = {"static": "static, batch 1", "tuned-static": "tuned static", "rate-rule": "rate rule"}
LOAD, OUTAGE, INK = "#E9EDF2", "#C44E52", "#333333"
SMOOTH_S = 12
#: Seconds in which this many devices have no uplink are shaded.
SHADED = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/fcpo-testbed"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/fcpo-testbed.png"))
    options = parser.parse_args()
    summary = json.loads((options.runs / "summary.json").read_text(encoding="utf-8"))
    origin, policies = summary["provenance"], summary["policies"]
    seed = origin["seeds"][0]
    windows = {name: read_table(folder_of(options.runs, name, seed), "windows") for name in LOOKS if name in policies}
    links = read_table(folder_of(options.runs, next(iter(windows)), seed), "links")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw(options.out, origin, policies, windows, outages(links))


def outages(links: dict[str, np.ndarray]) -> np.ndarray:
    """Devices without uplink in each second, of those on 5G (whose rate varies)."""
    ends = np.unique(links["link"])
    rates = np.stack([links["bandwidth_mbps"][links["link"] == end] for end in ends if end.endswith(" up")])
    return (rates[(rates != rates[:, :1]).any(1)] == 0).sum(0)


def draw(
    file: Path, origin: dict[str, Any], policies: dict[str, Any], windows: dict[str, Any], without: np.ndarray
) -> None:
    pyplot = require_matplotlib()
    pyplot.rcParams.update({"font.size": 10.5, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "#999999"})
    figure, (axis, strip) = pyplot.subplots(
        2, 1, figsize=(10, 4.9), sharex=True, height_ratios=(9, 1), layout="constrained"
    )
    first = next(iter(windows.values()))
    t_s = first["t_s"]
    load = smooth(first["generated"].astype(float), t_s, SMOOTH_S)
    axis.fill_between(t_s, load, color=LOAD, linewidth=0)
    top = float(np.nanmax(load))
    worst = max(int(without.max()), 1)
    shaded = [(t - 1, 1) for t in t_s[without >= SHADED]]
    axis.broken_barh(shaded, (0, 1.04 * top), color=OUTAGE, alpha=0.16, linewidth=0)
    ends = []
    for name, one in windows.items():
        colour, style, width = LOOKS[name]
        curve = smooth(one["on_time_results"].astype(float), t_s, SMOOTH_S)
        axis.plot(t_s, curve, color=colour, linestyle=style, linewidth=width)
        mean, half = policies[name]["mean"]["on_time_share"]
        spread = f" ± {100 * half:.0f}" if half is not None else ""
        ends.append((float(curve[-1]), f"{NAMES.get(name, name)}\n{100 * mean:.0f}{spread} % on time", colour))
    ends.append((float(load[-1]), "generated", "#7A8594"))
    for place, (_, text, colour) in zip(_apart([end[0] for end in ends], 0.105 * top), ends, strict=True):
        axis.annotate(text, (t_s[-1], place), (8, 0), "data", "offset points", color=colour, va="center", fontsize=9.5)
    axis.set(ylabel="results per second", ylim=(0, 1.04 * top), xlim=(0, t_s[-1]))
    axis.set_title(
        f"Results within 250 ms on fcpo-testbed: {_count(origin)}",
        loc="left",
        fontsize=12,
        fontweight="bold",
    )
    strip.fill_between(t_s, without, step="pre", color=OUTAGE, linewidth=0)
    strip.set(ylim=(0, worst), yticks=[0, worst])
    strip.set_ylabel("devices\nwithout 5G", fontsize=8.5, rotation=0, ha="right", va="center")
    strip.set_xlabel("seconds", loc="left")
    strip.grid(visible=False)
    seeds = origin["seeds"]
    figure.text(
        0.995,
        0.012,
        f"curves: seed {seeds[0]}; shares: mean of {len(seeds)} seeds, 95 % interval; {_origin(origin)}",
        ha="right",
        fontsize=8,
        color="#7A8594",
    )
    figure.savefig(file, dpi=160)
    pyplot.close(figure)


def _apart(values: list[float], gap: float) -> list[float]:
    """The values moved as little as it takes to lie `gap` apart, from the lowest up."""
    order = np.argsort(values)
    placed = np.array(values, float)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    return placed.tolist()


def _count(origin: dict[str, Any]) -> str:
    from octogym.cluster.registry import load_scenario

    cluster = load_scenario(origin["scenario"], split=origin["split"]).cluster
    return f"{cluster.C} cameras, {cluster.D} devices, {cluster.S} agents"


def _origin(origin: dict[str, Any]) -> str:
    traces = "synthetic traces" if origin["synthetic_traces"] else "real camera and 5G traces"
    profiles = "synthetic device profiles" if origin["synthetic_profiles"] else "measured device profiles"
    return f"{traces}, {profiles}"


if __name__ == "__main__":
    main()
