"""Prints the parameters of the synthetic traces, measured on the real ones.

    python benchmarks/traces/fit.py [--json FILE] [--quick]

They stand in octogym/cluster/traces/sites.py and synthetic_rates.py. Mean and variance are the series' own. Flicker,
wave and dwell time are the nearest fit, on a grid, of the autocorrelation of visits with Erlang-2 stays, a wave of the
site's periods, and noise: f + w cos(2 pi t / P) + (1 - f - w) e^(-2t/d) (1 + t/d).
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np

from octogym.cluster.traces import CountSeries, TraceSet, load_real
from octogym.cluster.traces.measures import autocorrelation
from octogym.cluster.traces.sites import CAMPUS, CITY, STREETS, Site

DWELLS_S = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70)
FLICKER_S = 0.3
REGIMES_MBIT = (0.1, 5.0, 60.0)  # outage, poor, medium, good


def fit_flow(values: np.ndarray, rate_hz: float, site: Site, with_flicker: bool) -> tuple[float, float, float]:
    """Flicker share, wave share and dwell time of a count series [T]."""
    lags_s = (0.1, 0.33, 1, 2, 5, 10, 20, 30) if rate_hz > 15 else (1, 2, 5, 10, 20, 30, 60)
    steps = [max(1, int(lag * rate_hz)) for lag in lags_s]
    t = np.array(steps) / rate_hz
    measured = np.array([autocorrelation(values, step) for step in steps])
    wave = np.mean([np.cos(2 * np.pi * t / period) for period in site.waves_s], axis=0)
    noise = np.maximum(0.0, 1 - t / FLICKER_S) if rate_hz > 1 else 0 * t
    shares = np.arange(0, 0.95, 0.05)
    best, chosen = np.inf, (0.0, 0.0, 1.0)
    for dwell, flicker, swing in product(DWELLS_S, shares if with_flicker else [0.0], shares[:15]):
        if flicker + swing <= 1:
            stays = np.exp(-2 * t / dwell) * (1 + t / dwell)
            model = flicker * noise + swing * wave + (1 - flicker - swing) * stays
            error = float(((model - measured) ** 2 / (1 + t / 20)).sum())
            if error < best - 1e-9:
                best, chosen = error, (float(flicker), float(swing), float(dwell))
    return chosen


def flows(real: TraceSet, quick: bool) -> dict[str, dict[str, list[float]]]:
    """Stream -> class -> mean, variance, flicker, wave, dwell_s."""
    table: dict[str, dict[str, list[float]]] = {}
    for site in (CAMPUS, CITY, STREETS):
        for camera in site.cameras[: 2 if quick else None]:
            series = real[camera.name]
            assert isinstance(series, CountSeries)
            for kind, counts in series.counts.items():
                values = counts[series.available].astype(float)
                if values.var() > 0:
                    fitted = fit_flow(values, series.rate_hz, site, with_flicker=site is not CAMPUS)
                    row = [values.mean(), values.var(), *fitted]
                    table.setdefault(camera.name, {})[kind] = [round(float(x), 3) for x in row]
    return table


def regimes(real: TraceSet, kind: str) -> dict[str, list]:
    """Switching between regimes per second, and the logarithm of the rate within each, over all series of a kind."""
    switches = np.zeros((4, 4))
    logs: list[np.ndarray] = []
    states: list[np.ndarray] = []
    for name, series in real.rates.items():
        if name.startswith(f"5g/{kind}-"):
            mbit = series.at(np.arange(series.end_ns // 10**9) * 10**9) / 1e6
            state = np.digitize(mbit, REGIMES_MBIT)
            np.add.at(switches, (state[:-1], state[1:]), 1)
            logs.append(np.log(np.maximum(mbit, 1e-3)))
            states.append(state)
    log, state = np.concatenate(logs), np.concatenate(states)
    return {
        "switching": (switches / switches.sum(axis=1, keepdims=True)).round(3).tolist(),
        "log_mean": [round(float(log[state == k].mean()), 2) for k in (1, 2, 3)],
        "log_deviation": [round(float(log[state == k].std()), 2) for k in (1, 2, 3)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="two cameras of each site")
    options = parser.parse_args()
    real = load_real()
    figures: dict[str, dict] = {
        "flows": flows(real, options.quick),
        **{kind: regimes(real, kind) for kind in ("static", "moving")},
    }
    for name, kinds in figures["flows"].items():
        for kind, row in kinds.items():
            print(f"{name:<18}{kind:<8}" + "".join(f"{value:>9.3g}" for value in row))
    for kind in ("static", "moving"):
        print(kind, json.dumps(figures[kind], indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
