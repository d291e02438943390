"""FCPO's parts one by one: single head, released loss, loss gate, diversity buffer, federation, constants.

    python benchmarks/fcpo/ablation.py [--json FILE] [--quick]

Every variant is trained alike on `fcpo-testbed` (fixed episodes of 100 steps) and judged on the same test workloads,
learning on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._fcpo.sweep import sweep
from benchmarks._study.report import Said, apart, arguments, difference, figure, interval, table, verdict, write
from octogym.agents.fcpo.settings import FcpoSettings

BASE = "fcpo"


def variants() -> tuple[dict[str, FcpoSettings], dict[str, dict[str, Any]]]:
    """Name -> settings, and what else their training changes."""
    published = FcpoSettings()
    fixed = replace(published, iagent=replace(published.iagent, steps_growth=0))

    def agent(**changes: Any) -> FcpoSettings:
        return replace(fixed, iagent=replace(fixed.iagent, **changes))

    found = {
        BASE: fixed,
        "single head (FCPO-reduced)": agent(variant="reduced"),
        "released loss": agent(loss="released"),
        "not federated": fixed,
        "hierarchical": fixed,
        "equal weights of heads": fixed,
        **{f"gate {tau:g}": agent(gate=tau) for tau in (0.1, 0.2, 0.5)},
        **{f"buffer of {size}": agent(capacity=size) for size in (16, 200)},
        "diversity threshold 1.25": agent(threshold=1.25),
        "gamma = lambda = 0.9": agent(gamma=0.9, lam=0.9),
        "no penalty": agent(penalty=0.0),
    }
    from octogym.fed.config import FedConfig

    training: dict[str, dict[str, Any]] = {
        "not federated": {"federated": False},
        "hierarchical": {"hierarchical": True},
        "equal weights of heads": {"fed": FedConfig(weighting="equal")},
    }
    return found, training


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", runs=3, workloads=1, episodes=40, horizon=600).parse_args(argv)
    found, training = variants()
    if options.quick:
        options.runs, options.episodes, options.horizon = 2, 2, 60
        found = {name: found[name] for name in (BASE, "single head (FCPO-reduced)", "gate 0.5")}
    results = sweep(
        found, options.runs, options.episodes, float(options.horizon), options.workloads, Said(), training=training
    )
    base = results[BASE]["on_time_share"]
    print(table(("variant", "on time, %", "against fcpo, points", "latency, ms", "reward at the end of training",
                 "episodes to 95 %", "updates skipped, %"), [
        (
            name,
            interval(r["on_time_share"], 100),
            "" if name == BASE else difference(r["on_time_share"], base, 100),
            interval(r["latency_mean_s"], 1000, 0),
            interval(r["train_reward"], 1, 3),
            interval(r["episodes_to_95"]),
            interval(r["skipped"], 100),
        )
        for name, r in results.items()
    ]))  # fmt: skip
    if options.json is not None:
        shown = {k: v for k, v in vars(options).items() if k not in ("json", "quick")}
        write(options.json, "ablation", options.quick, shown, results, _verdicts(results))
        _plot(options.json.with_suffix(".png"), results)
    return 0


def _verdicts(results: dict[str, dict[str, list[float]]]) -> list[dict[str, object]]:
    base, reduced = results[BASE], results["single head (FCPO-reduced)"]
    share = "on_time_share"
    lines = [
        verdict(
            "several heads serve more than a single one (FCPO-reduced)",
            "better",
            f"{difference(base[share], reduced[share], 100)} points on time",
            apart(base[share], reduced[share]) or float(np.mean(base[share])) > float(np.mean(reduced[share])),
        )
    ]
    gates = [name for name in results if name.startswith("gate")]
    if gates:
        told = "; ".join(
            f"{name}: {interval(results[name]['skipped'], 100)} % skipped, "
            f"{difference(results[name][share], base[share], 100)} points"
            for name in gates
        )
        harmless = all(float(np.mean(results[n][share])) > float(np.mean(base[share])) - 0.01 for n in gates)
        lines.append(verdict("the loss gate saves updates without loss of service", "(no figure)", told, harmless))
    return lines


def _plot(file: Path, results: dict[str, dict[str, list[float]]]) -> None:
    pyplot = figure()
    fig, ax = pyplot.subplots(figsize=(7, 0.35 * len(results) + 1.2))
    names = list(results)[::-1]
    shares = [100 * np.array(results[name]["on_time_share"]) for name in names]
    ax.barh(names, [s.mean() for s in shares], xerr=[s.std() for s in shares])
    ax.set_xlabel("results on time, % (test workloads; bar: standard deviation over training seeds)")
    fig.tight_layout()
    fig.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
