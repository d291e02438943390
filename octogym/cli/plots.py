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


def smooth(values: np.ndarray, t_s: np.ndarray, seconds: float | None = None) -> np.ndarray:
    """Centred mean over `seconds` (a sixtieth of the whole, at most 10 s, if None), of the values that are finite."""
    if len(values) < 2:
        return np.asarray(values, float)
    step = float(t_s[1] - t_s[0])
    seconds = min(10.0, float(t_s[-1]) / 60) if seconds is None else seconds
    half = min(round(seconds / step / 2), (len(values) - 1) // 2)
    kernel = np.ones(2 * half + 1)
    finite = np.isfinite(values)
    total = np.convolve(np.where(finite, values, 0.0), kernel, "same")
    weight = np.convolve(finite.astype(float), kernel, "same")
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=weight > 0.5)


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
    _slo(axes[1], slo_ms)
    axes[1].set(ylabel="latency of results, ms")
    _milliseconds(axes[1])
    for k, (name, label) in enumerate(zip(QUEUES, QUEUE_NAMES, strict=True)):
        if windows[name].any():
            axes[2].plot(t_s, smooth(windows[name], t_s), color=CYCLE[k], linestyle=STYLES[k], label=label)
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
    figure = pyplot.figure(figsize=(10, 9), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.6, 1), hspace=0.03)
    over_time, latency = upper.subplots(2, 1, sharex=True)
    _load(over_time, next(iter(series.values())))
    for k, (policy, windows) in enumerate(series.items()):
        look = {"color": CYCLE[k % len(CYCLE)], "linestyle": STYLES[k % len(STYLES)]}
        t_s = windows["t_s"]
        over_time.plot(t_s, _rate(windows["on_time_results"], t_s), label=policy, **look)
        latency.plot(t_s, smooth(windows["latency_p95_ms"], t_s), **look)
    figure.suptitle(title)
    over_time.set(ylabel="on-time results/s", ylim=(0, None), xlim=(0, t_s[-1]))
    latency.set(ylabel="p95 latency, ms", xlabel="time, s")
    _slo(latency, slo_ms)
    _milliseconds(latency)
    upper.legend(loc="outside upper center", ncols=3)
    axes = lower.subplots(1, 3, sharey=True)
    _bars(axes[0], summaries, "on_time_share", 100, "on time, % of generated")
    _bars(axes[1], summaries, "effective_throughput", 1, "on-time results/s")
    _bars(axes[2], summaries, "latency_p95_s", 1000, "p95 latency, ms")
    axes[0].invert_yaxis()
    _write(pyplot, figure, file)


def _slo(axis: Any, slo_ms: Sequence[float]) -> None:
    for slo in sorted(set(slo_ms)):
        axis.axhline(slo, color=BLACK, linewidth=0.9, linestyle=":", label=f"SLO {slo:g} ms")


def _milliseconds(axis: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def _load(axis: Any, windows: Mapping[str, np.ndarray]) -> None:
    t_s = windows["t_s"]
    axis.fill_between(t_s, _rate(windows["generated"], t_s), color=LIGHT, linewidth=0, label="generated")


def _rate(counts: np.ndarray, t_s: np.ndarray) -> np.ndarray:
    return smooth(np.asarray(counts, float) / (t_s[0] if len(t_s) else 1.0), t_s)


def _bars(axis: Any, summaries: Mapping[str, Mapping[str, Any]], name: str, factor: float, title: str) -> None:
    means, halves = np.array([one["mean"][name] for one in summaries.values()], float).T * factor
    places = np.arange(len(means))
    colours = [CYCLE[k % len(CYCLE)] for k in places]
    means, halves = np.nan_to_num(means), np.nan_to_num(halves)
    axis.barh(places, means, xerr=halves, color=colours, ecolor="#444444", capsize=2, height=0.7)
    axis.set_yticks(places, list(summaries))
    axis.grid(axis="y", visible=False)
    axis.set_title(title)
    room = max(float((means + halves).max()), 1e-9)
    axis.set_xlim(0, 1.25 * room)
    for place, mean, half in zip(places, means, halves, strict=True):
        axis.text(mean + half + 0.03 * room, place, f"{mean:.4g}", va="center")


def _write(pyplot: Any, figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    pyplot.close(figure)
