"""PNG plots of a run: one figure per policy, one that compares policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cluster.errors import MissingExtra
from octogym.cluster.results import QUEUES

# Okabe and Ito's colours: told apart with any colour vision.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
CYCLE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
QUEUE_NAMES = ("Q1 to pre", "Q2 to batcher", "Q3 to inferencer", "Q4 to post", "Q5 to links")
LIGHT = "#DDDDDD"
#: Seconds over which curves are averaged.
SMOOTH_S = 10


def require_matplotlib() -> Any:
    """pyplot with a backend that needs no screen."""
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("plot", "matplotlib") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    pyplot.rcParams.update(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#EEEEEE",
            "axes.axisbelow": True,
            "font.size": 9,
            "axes.titlesize": 10,
            "legend.frameon": False,
            "figure.dpi": 100,
            "savefig.dpi": 150,
        }
    )
    return pyplot


def smooth(values: np.ndarray, t_s: np.ndarray, seconds: float = SMOOTH_S) -> np.ndarray:
    """Centred mean over `seconds` (less at the ends), of the values that are finite."""
    step = float(t_s[0]) if len(t_s) else 1.0
    kernel = np.ones(min(2 * int(seconds / step / 2) + 1, 2 * len(values) - 1 if len(values) else 1))
    finite = np.isfinite(values)
    total = np.convolve(np.where(finite, values, 0.0), kernel, "same")
    weight = np.convolve(finite.astype(float), kernel, "same")
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=weight > 0.5)[: len(values)]


def policy_figure(file: Path, windows: Mapping[str, np.ndarray], slo_ms: Sequence[float], title: str) -> None:
    """Throughput, latency quantiles and queue lengths over time, of one episode."""
    pyplot = require_matplotlib()
    figure, axes = pyplot.subplots(3, 1, figsize=(9, 8), sharex=True, layout="constrained")
    t_s = windows["t_s"]
    _load(axes[0], windows)
    served = windows["on_time_results"] + windows["late"]
    axes[0].plot(t_s, _rate(served, t_s), color=SKY, linestyle="--", label="throughput")
    axes[0].plot(t_s, _rate(windows["on_time_results"], t_s), color=BLUE, label="effective (on time)")
    axes[0].set(ylabel="results/s", title=title, ylim=(0, None))
    for name, colour, style in (("p50", GREEN, "-"), ("p95", ORANGE, "--"), ("p99", RED, "-.")):
        axes[1].plot(t_s, smooth(windows[f"latency_{name}_ms"], t_s), color=colour, linestyle=style, label=name)
    for slo in sorted(set(slo_ms)):
        axes[1].axhline(slo, color=BLACK, linewidth=0.8, linestyle=":", label=f"SLO {slo:g} ms")
    axes[1].set(ylabel="latency of results, ms", yscale="log")
    for name, label, colour, style in zip(QUEUES, QUEUE_NAMES, CYCLE, STYLES, strict=False):
        if windows[name].any():
            axes[2].plot(t_s, smooth(windows[name], t_s), color=colour, linestyle=style, label=label)
    axes[2].set(ylabel="queue length, all instances", xlabel="time, s", ylim=(0, None), xlim=(0, t_s[-1]))
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _write(pyplot, figure, file)


def comparison_figure(
    file: Path,
    series: Mapping[str, Mapping[str, np.ndarray]],
    summaries: Mapping[str, Mapping[str, Any]],
    slo_ms: Sequence[float],
    title: str,
) -> None:
    """On-time results over time on the same workload (`series`: windows by policy), and means over seeds."""
    pyplot = require_matplotlib()
    figure = pyplot.figure(figsize=(10, 8.5), layout="constrained")
    grid = figure.add_gridspec(3, 3, height_ratios=(1.1, 1, 0.8))
    over_time = figure.add_subplot(grid[0, :])
    latency = figure.add_subplot(grid[1, :], sharex=over_time)
    _load(over_time, next(iter(series.values())))
    for k, (policy, windows) in enumerate(series.items()):
        look = {"color": CYCLE[k % len(CYCLE)], "linestyle": STYLES[k % len(STYLES)], "label": policy}
        t_s = windows["t_s"]
        over_time.plot(t_s, _rate(windows["on_time_results"], t_s), **look)
        latency.plot(t_s, smooth(windows["latency_p95_ms"], t_s), **look)
    for slo in sorted(set(slo_ms)):
        latency.axhline(slo, color=BLACK, linewidth=0.8, linestyle=":", label=f"SLO {slo:g} ms")
    over_time.set(ylabel="on-time results/s", title=title, ylim=(0, None), xlim=(0, t_s[-1]))
    latency.set(ylabel="p95 latency, ms", xlabel="time, s", yscale="log")
    over_time.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    latency.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _bars(figure.add_subplot(grid[2, 0]), summaries, "on_time_share", 100, "on time, % of generated")
    _bars(figure.add_subplot(grid[2, 1]), summaries, "effective_throughput", 1, "on-time results/s")
    _bars(figure.add_subplot(grid[2, 2]), summaries, "latency_p95_s", 1000, "p95 latency, ms")
    _write(pyplot, figure, file)


def _load(axis: Any, windows: Mapping[str, np.ndarray]) -> None:
    t_s = windows["t_s"]
    axis.fill_between(t_s, _rate(windows["generated"], t_s), color=LIGHT, linewidth=0, label="generated")


def _rate(counts: np.ndarray, t_s: np.ndarray) -> np.ndarray:
    return smooth(np.asarray(counts, float) / (t_s[0] if len(t_s) else 1.0), t_s)


def _bars(axis: Any, summaries: Mapping[str, Mapping[str, Any]], name: str, factor: float, title: str) -> None:
    means, halves = np.array([one["mean"][name] for one in summaries.values()], float).T * factor
    places = np.arange(len(means))
    colours = [CYCLE[k % len(CYCLE)] for k in places]
    axis.barh(places, np.nan_to_num(means), xerr=np.nan_to_num(halves), color=colours, ecolor="#444444", capsize=2, height=0.7)
    axis.set_yticks(places, list(summaries))
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_title(title)
    for place, mean in zip(places, means, strict=True):
        if np.isfinite(mean):
            axis.text(0.02 * axis.get_xlim()[1], place, f"{mean:.4g}", va="center", color="white", fontweight="bold")


def _write(pyplot: Any, figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    pyplot.close(figure)
