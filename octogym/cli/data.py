"""`octogym data`: the traces, what they look like, where they come from, how the synthetic ones compare."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from octogym.cluster.errors import OctoGymError
from octogym.cluster.traces import TraceSet, find_data, load, load_real, synthetic_set
from octogym.cluster.traces.fetch import fetch, summary, verify
from octogym.cluster.traces.measures import LAGS_S, count_figures, lag_correlations, rate_figures
from octogym.cluster.traces.report import as_json, as_markdown, compare
from octogym.cluster.traces.series import AvailabilitySeries, CountSeries, RateSeries, Series
from octogym.cluster.traces.synthetic import KINDS


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("data", help="list, show, fetch and compare traces")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="list every trace that can be used")
    _add_choice(listing)
    listing.set_defaults(run=run, action=_list)

    show = actions.add_parser("show", help="figures of a trace, a sparkline, and a plot")
    show.add_argument("name", help="a name of `octogym data list`, or a trace file or folder of any known format")
    show.add_argument("--plot", metavar="FILE.png", type=Path, help="draw it into a PNG (needs octogym[plot])")
    show.add_argument("--rate-hz", type=float, help="samples per second, where a file does not state it")
    _add_choice(show)
    show.set_defaults(run=run, action=_show)

    fetching = actions.add_parser("fetch", help="bring the measured traces here, every SHA-256 checked")
    fetching.add_argument("--dest", metavar="DIR", type=Path, help="where to put them (default: the user's cache)")
    fetching.set_defaults(run=run, action=_fetch)

    report = actions.add_parser("report", help="compare the synthetic with the measured traces")
    report.add_argument("--seed", type=int, default=0, help="seed of the synthetic traces (default 0)")
    report.add_argument("--json", metavar="FILE", type=Path, help="write the figures there as well")
    report.set_defaults(run=run, action=_report)


def run(options: argparse.Namespace) -> int:
    """Run the chosen action; returns the exit code."""
    try:
        return int(options.action(options))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OctoGymError(f"{error.filename or 'file'}: {error.strerror or error}") from error


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--synthetic", action="store_true", help="the synthetic traces, also where measured ones are")
    parser.add_argument("--seed", type=int, default=0, help="seed of the synthetic traces (default 0)")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="kind of the synthetic traces")


def _chosen(options: argparse.Namespace) -> tuple[TraceSet, str]:
    """The set to use and one line on what it is."""
    folder = None if options.synthetic else find_data()
    if folder is None:
        why = "" if options.synthetic else " (no measured traces found; `octogym data fetch` brings them)"
        return _synthetic(options.seed, options.kind), f"synthetic, seed {options.seed}, {options.kind}{why}"
    return load_real(folder), f"measured, from {folder}"


def _synthetic(seed: int, kind: str = KINDS[0]) -> TraceSet:
    try:
        return synthetic_set(seed, kind)
    except ValueError as error:
        raise OctoGymError(str(error)) from error


def _list(options: argparse.Namespace) -> int:
    traces, what = _chosen(options)
    print(f"{len(traces)} traces, {what}\nSHA-256 {traces.sha256}\n")
    width = max(len(name) for name in traces)
    print(f"{'name':<{width}}  {'kind':<12}  {'length':>8}  {'mean':>12}")
    for name in traces:
        series = traces[name]
        kind, mean = "availability", ""
        if isinstance(series, CountSeries):
            kind, mean = "/".join(series.counts), f"{count_figures(series).mean:.2f}"
        if isinstance(series, RateSeries):
            kind, mean = "bandwidth", f"{series.mean_bit_per_s / 1e6:.1f} Mbit/s"
        if isinstance(series, AvailabilitySeries):
            mean = f"{100 * series.present_share:.1f} %"
        length = f"{series.duration_s:.0f} s"
        print(f"{name:<{width}}  {kind:<12}  {length:>8}  {mean:>12}")
    return 0


def _show(options: argparse.Namespace) -> int:
    if Path(options.name).exists():
        traces, what = load(options.name, rate_hz=options.rate_hz), "from a file"
        chosen = traces
    else:
        traces, what = _chosen(options)
        traces[options.name]  # an unknown name is an error that lists those near it
        chosen = TraceSet(
            {name: one for name, one in traces.counts.items() if name == options.name},
            {name: one for name, one in traces.rates.items() if name == options.name},
            {name: one for name, one in traces.availability.items() if name == options.name},
        )
    for name in chosen:
        print(f"{name} ({what})")
        for key, value in _figures(chosen[name], traces).items():
            print(f"  {key:<28}{value}")
        print(f"  {sparkline(_curve(chosen[name])[1])}\n")
    if options.plot is not None:
        _plot(chosen, options.plot)
        print(f"plot: {options.plot}")
    return 0


def _figures(series: Series, among: TraceSet) -> dict[str, str]:
    if isinstance(series, CountSeries):
        count = count_figures(series)
        rows = {
            "classes": ", ".join(
                f"{kind} {values[series.available].mean():.2f}" for kind, values in series.counts.items()
            )
            if series.available.any()
            else "none available",
            "length": f"{series.duration_s:g} s at {series.rate_hz:g}/s",
            "available": f"{100 * count.available:.1f} %",
            "mean, variance, peak": f"{count.mean:.2f}, {count.variance:.2f}, {count.peak}",
            "autocorrelation": _lags(count.autocorrelation),
        }
        site = series.name.rsplit("/", 1)[0] + "/"
        group = [one for name, one in among.counts.items() if name.startswith(site)]
        partner = lag_correlations(group)[series.name] if site in ("campus/s01/", "aicity/") else None
        if partner is not None:
            rows["most alike"] = f"{partner.other} at {partner.lag_s:+d} s, correlation {partner.correlation:.2f}"
        rows["labels"] = ", ".join(series.labels) or "none"
    elif isinstance(series, RateSeries):
        rate = rate_figures(series)
        rates = (rate.mean_mbit_per_s, rate.median_mbit_per_s, rate.peak_mbit_per_s)
        rows = {
            "length": f"{series.duration_s:g} s, {len(series)} values",
            "mean, median, peak": ", ".join(f"{value:.1f}" for value in rates) + " Mbit/s",
            "deviation / mean": f"{rate.variation:.2f}",
            "autocorrelation": _lags(rate.autocorrelation),
            "outages": f"{rate.outages}, {100 * rate.outage_share:.1f} % of the time",
            "outage mean, longest": f"{rate.outage_mean_s:.1f} s, {rate.outage_longest_s:.0f} s",
        }
    else:
        away_s = (series.absent[:, 1] - series.absent[:, 0]) / 1e9
        rows = {
            "length": f"{series.duration_s:g} s",
            "present": f"{100 * series.present_share:.1f} %",
            "absences": str(len(series.absent)),
            "absence mean, longest": f"{away_s.mean():.1f} s, {away_s.max():.1f} s" if len(away_s) else "none",
        }
    return {**rows, "source": series.source}


def _lags(values: dict[int, float]) -> str:
    known = [f"{values[lag]:.2f} at {lag} s" for lag in LAGS_S if values[lag] == values[lag]]
    return ", ".join(known) or "none (constant)"


def _curve(series: Series) -> tuple[list[float], list[float]]:
    """Times in s and values (objects, Mbit/s, or 1 while present); NaN where unavailable."""
    if isinstance(series, CountSeries):
        values = [float(value) if value >= 0 else float("nan") for value in series.total()]
        return [k / series.rate_hz for k in range(len(series))], values
    if isinstance(series, RateSeries):
        seconds = range(max(1, int(series.duration_s)))
        return [float(second) for second in seconds], [float(series.at(10**9 * second)) / 1e6 for second in seconds]
    seconds = range(max(1, int(series.duration_s)))
    return [float(second) for second in seconds], [float(series.present(10**9 * second)) for second in seconds]


def sparkline(values: list[float], width: int = 72) -> str:
    """Means of ``width`` equal parts as eight heights from 0 to the greatest; a dot where nothing is available."""
    width = min(width, len(values))
    means: list[float | None] = []
    for part in range(width):
        chunk = values[part * len(values) // width : (part + 1) * len(values) // width]
        known = [value for value in chunk if value == value]
        means.append(sum(known) / len(known) if known else None)
    top = max((mean for mean in means if mean is not None), default=0.0) or 1.0
    bars = "▁▂▃▄▅▆▇█"
    return "".join("·" if mean is None else bars[min(7, int(8 * mean / top))] for mean in means)


_UNITS = {CountSeries: "objects", RateSeries: "Mbit/s", AvailabilitySeries: "present"}


def _plot(traces: TraceSet, file: Path) -> None:
    from octogym.cli.plots import BLUE, require_matplotlib

    pyplot = require_matplotlib()
    figure, axes = pyplot.subplots(
        len(traces), 1, figsize=(10, 1 + 2 * len(traces)), squeeze=False, sharex=True, layout="constrained"
    )
    for axis, name in zip(axes[:, 0], traces, strict=True):
        axis.step(*_curve(traces[name]), where="post", color=BLUE, linewidth=0.8)
        axis.set(title=name, ylabel=_UNITS[type(traces[name])], ylim=(0, None))
    axes[-1, 0].set_xlabel("time, s")
    figure.savefig(file)
    pyplot.close(figure)


def _fetch(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    with tqdm(unit="file", disable=None) as bar:

        def progress(path: str, index: int, count: int) -> None:
            bar.total = count
            bar.set_postfix_str(path, refresh=False)
            bar.update(index - bar.n)

        folder = fetch(options.dest, progress=progress)
        bar.update(bar.total - bar.n)
    print(f"{folder}: {summary(verify(folder))}")
    found = find_data()
    if found is None or found.resolve() != folder.resolve():
        print(f"to use it: export OCTOGYM_DATA={folder}")
    return 0


def _report(options: argparse.Namespace) -> int:
    folder = find_data()
    real = None if folder is None else load_real(folder)
    synthetic = _synthetic(options.seed)
    lines = compare(synthetic, real)
    if real is None:
        print("No measured traces found (`octogym data fetch` brings them): the synthetic ones alone.\n")
    print(as_markdown(lines), end="")
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(lines, options.seed, real, synthetic), indent=1) + "\n")
    return 0
