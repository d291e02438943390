"""What makes fcpo-plus: each of its changes taken back, federation, and the largest change alone added to FCPO.

    python benchmarks/fcpo/plus.py [--json FILE] [--quick]

Every variant is trained alike on `fcpo-testbed` and judged on the same test workloads, as they are and at 1.25 times
the load.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._fcpo.sweep import sweep
from benchmarks._study.report import Said, arguments, difference, figure, interval, table, verdict, write
from benchmarks._study.runs import Condition
from octogym.agents.fcpo.settings import FcpoSettings

LOADED = Condition(load=1.25)


def changes() -> dict[str, dict[str, Any]]:
    """Change -> fields of `FcpoSettings` (or of its agents) that differ between fcpo-plus and FCPO, with FCPO's
    values."""
    plus, published = FcpoSettings.plus(), FcpoSettings()
    fields: dict[str, tuple[str, ...]] = {
        "batch as time to fill": ("batch",),
        "scaled observation": ("observation",),
        "reward: on time, with a price": ("reward",),
        "normalised advantages": ("advantage",),
        "four passes": ("epochs",),
        "learning rate": ("lr",),
        "fixed episodes": ("steps_growth",),
        "no penalty": ("penalty",),
    }
    found = {}
    for name, keys in fields.items():
        values = {key: _get(published, key) for key in keys}
        if any(_get(plus, key) != value for key, value in values.items()):
            found[name] = values
    return found


def _get(settings: FcpoSettings, key: str) -> Any:
    return getattr(settings, key) if hasattr(settings, key) else getattr(settings.iagent, key)


def changed(settings: FcpoSettings, values: dict[str, Any]) -> FcpoSettings:
    """`settings` with other values of its own fields or of its agents'."""
    own = {key: value for key, value in values.items() if hasattr(settings, key)}
    agents = {key: value for key, value in values.items() if key not in own}
    return replace(settings, **own, iagent=replace(settings.iagent, **agents))


def variants() -> dict[str, FcpoSettings]:
    plus, published = FcpoSettings.plus(), FcpoSettings()
    found = {"fcpo-plus": plus}
    for name, values in changes().items():
        found[f"fcpo-plus without: {name}"] = changed(plus, values)
    found["fcpo-plus without the price"] = replace(plus, price=0.0)
    found["fcpo"] = published
    fill = {key: _get(plus, key) for key in ("batch", "longest_fill")}
    found["fcpo with: batch as time to fill"] = changed(published, fill)
    found["fcpo-plus, federated among all"] = plus
    found["fcpo-plus, federated among agents of a model"] = plus
    return found


#: What else the training of a variant changes; fcpo-plus learns alone, FCPO is federated.
TRAINING: dict[str, dict[str, Any]] = {
    "fcpo-plus, federated among all": {"federated": True},
    "fcpo-plus, federated among agents of a model": {"federated": True, "among": "model"},
}


def training(name: str) -> dict[str, Any]:
    """Further arguments of a variant's training."""
    return TRAINING.get(name, {"federated": not name.startswith("fcpo-plus")})


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", runs=3, workloads=1, episodes=40, horizon=600).parse_args(argv)
    found, conditions = variants(), (Condition(), LOADED)
    if options.quick:
        options.runs, options.episodes, options.horizon = 2, 2, 60
        found = dict(list(found.items())[:2])
    more = {name: training(name) for name in found}
    results = sweep(
        found, options.runs, options.episodes, float(options.horizon), options.workloads, Said(), conditions, more
    )
    loaded = f"{LOADED.label}: on_time_share"
    base = results["fcpo-plus"]
    print(table(("variant", "on time, %", "against fcpo-plus, points", "at 1.25 times the load, %",
                 "against fcpo-plus, points"), [
        (
            name,
            interval(r["on_time_share"], 100),
            "" if name == "fcpo-plus" else difference(r["on_time_share"], base["on_time_share"], 100),
            interval(r[loaded], 100),
            "" if name == "fcpo-plus" else difference(r[loaded], base[loaded], 100),
        )
        for name, r in results.items()
    ]))  # fmt: skip
    if options.json is not None:
        shown = {k: v for k, v in vars(options).items() if k not in ("json", "quick")}
        write(options.json, "plus", options.quick, shown, results, _verdicts(results, loaded))
        _plot(options.json.with_suffix(".png"), results, loaded)
    return 0


def _verdicts(results: dict[str, dict[str, list[float]]], loaded: str) -> list[dict[str, object]]:
    base, lines = results["fcpo-plus"], []
    for name, r in results.items():
        if name.startswith(("fcpo-plus ", "fcpo-plus,")):
            costs = [difference(base[key], r[key], 100) for key in ("on_time_share", loaded)]
            gain = max(float(np.mean(base[key]) - np.mean(r[key])) for key in ("on_time_share", loaded))
            lines.append(
                verdict(f"{name} is worse", "(ours)", f"by {costs[0]} points, under load {costs[1]}", gain > 0)
            )
    return lines


def _plot(file: Path, results: dict[str, dict[str, list[float]]], loaded: str) -> None:
    pyplot = figure()
    fig, ax = pyplot.subplots(figsize=(8, 0.4 * len(results) + 1.2))
    names = list(results)[::-1]
    for offset, key, label in ((0.2, "on_time_share", "test"), (-0.2, loaded, "test, load x1.25")):
        shares = [100 * np.array(results[name][key]) for name in names]
        ax.barh(
            np.arange(len(names)) + offset,
            [s.mean() for s in shares],
            0.38,
            xerr=[s.std() for s in shares],
            label=label,
        )
    ax.set_yticks(np.arange(len(names)), names, fontsize=8)
    ax.set_xlabel("results on time, %")
    ax.legend()
    fig.tight_layout()
    fig.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
