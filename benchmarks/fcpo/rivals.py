"""FCPO, fcpo-plus and their rivals on the same unseen workloads: throughput, effective throughput, latency.

    python benchmarks/fcpo/rivals.py [--json FILE] [--quick]

Test split of `fcpo-testbed` under three SLOs, and under a load programme that training never saw (every camera's
objects x1.25); what learns or is tuned knows 250 ms and the training split alone. A run is a training seed; each is
judged on the same workloads as every other method's run of that number. FCPO's agents learn on. Hindsight knows the
future of 8 windows and is the reference, not a rival; it plays the first workload of each run under the first
condition alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks._fcpo import trained
from benchmarks._study.report import (
    Said,
    apart,
    arguments,
    difference,
    figure,
    interval,
    surely_better,
    table,
    verdict,
    write,
)
from benchmarks._study.runs import Condition, measure
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.agents.tuned_static import tuned_file
from octogym.agents.tuning import DEFAULT, Budget
from octogym.cluster.registry import load_scenario

LOADED = Condition(load=1.25)
CONDITIONS = (Condition(), Condition(slo_ms=200), Condition(slo_ms=100), LOADED)
#: Published systems; what fcpo-plus must beat beside tuned static and the rate rule.
PUBLISHED = ("octopinf", "octopinf:deadline", "distream", "jellyfish", "bcedge", "ippo", "mappo", "fcpo")
REFERENCE = "best-in-hindsight"
RETRAINED = "fcpo-plus trained under this SLO"
QUICK = Budget((0,), 20.0, 1)


def policies(runs: int, episodes: int, quick: bool, only: list[str] | None = None) -> dict[str, Callable[[int], str]]:
    """Label -> the policy of a run; `only` some, to measure them ahead."""
    seeds = list(range(runs))
    found: dict[str, Callable[[int], str]] = {}
    if only is None or "tuned-static" in only:
        # As everything that learns: tuned on the training split under the scenario's own SLO and load.
        tuned = tuned_file(load_scenario("fcpo-testbed", split="train"), QUICK if quick else DEFAULT)
        found["tuned-static"] = lambda run: f"tuned-static:{tuned}"
    for name in ("static", "rate-rule", "octopinf", "octopinf:deadline", "distream", "jellyfish"):
        found[name] = lambda run, name=name: name
    for method in [m for m in ("fcpo", "fcpo-plus") if only is None or m in only]:
        files = trained.method(method, runs, episodes)
        found[method] = lambda run, method=method, files=files: f"{method}:{files[run]}"
    for method in [m for m in ("bcedge", "ippo", "mappo") if only is None or m in only]:
        # Those with torch take longest: three seeds, used again for the other runs.
        others = trained.other(method, seeds if method == "bcedge" else seeds[:3], quick)
        found[method] = lambda run, method=method, files=others: f"{method}:{files[run % len(files)]}"
    found[REFERENCE] = lambda run: REFERENCE
    return found if only is None else {name: found[name] for name in only if name in found}


def retrained(condition: Condition, runs: int, episodes: int) -> Callable[[int], str]:
    """fcpo-plus trained under the condition's SLO, on the training split."""
    scenario = replace(condition, split="train").load_scenario()
    label, plus = f"fcpo-plus-slo-{condition.slo_ms:g}", FcpoSettings.plus()
    files, _ = trained.fcpo(label, range(runs), episodes, plus, scenario, name="fcpo-plus", federated=False)
    return lambda run: f"fcpo-plus:{files[run]}"


def main(argv: list[str] | None = None) -> int:
    parser = arguments(__doc__ or "", only="", runs=5, workloads=4, strict=2, episodes=100, horizon=600)
    options = parser.parse_args(argv)
    if options.quick:
        options.runs, options.workloads, options.strict, options.episodes, options.horizon = 2, 1, 1, 4, 60
    say = Said()
    made = policies(options.runs, options.episodes, options.quick, options.only.split(",") if options.only else None)
    results: dict[str, dict[str, dict[str, list[float]]]] = {}
    conditions = CONDITIONS[:1] if options.quick else CONDITIONS
    for condition in conditions:
        judged = condition.slo_ms is None
        chosen = {name: of for name, of in made.items() if condition == CONDITIONS[0] or name != REFERENCE}
        if not judged and (not options.only or RETRAINED in options.only.split(",")):
            chosen[RETRAINED] = retrained(condition, options.runs, options.episodes)
        results[condition.label] = measure(
            condition,
            chosen,
            options.runs,
            options.workloads if judged else options.strict,
            float(options.horizon),
            say,
            {REFERENCE: 1},
        )
        if not options.only:
            _show(condition.label, results[condition.label])
    if options.only:
        return 0
    if options.json is not None:
        settings = {k: v for k, v in vars(options).items() if k not in ("json", "quick", "only")}
        write(options.json, "rivals", options.quick, settings, results, _verdicts(results))
        _plot(options.json.with_suffix(".png"), results)
    return 0


def _show(label: str, found: dict[str, dict[str, list[float]]]) -> None:
    print(f"\n### {label}\n")
    print(table(("policy", "on time, %", "effective, results/s", "throughput, results/s", "latency, ms", "p95, ms",
                 "fcpo-plus is better by, points"), [
        (
            name,
            interval(f["on_time_share"], 100),
            interval(f["effective_throughput"], 1, 0),
            interval(f["throughput"], 1, 0),
            interval(f["latency_mean_s"], 1000, 0),
            interval(f["latency_p95_s"], 1000, 0),
            "" if name in ("fcpo-plus", REFERENCE) else _better(found["fcpo-plus"], f),
        )
        for name, f in sorted(found.items(), key=lambda item: -float(np.mean(item[1]["on_time_share"])))
    ]))  # fmt: skip


def _better(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> str:
    return difference(ours["on_time_share"], theirs["on_time_share"], 100)


def recovered(found: dict[str, dict[str, list[float]]], method: str) -> float:
    """Share of the way from tuned static to the best in hindsight, in on-time share of each run's first workload."""
    low, high, own = (float(np.mean(found[n]["first_on_time_share"])) for n in ("tuned-static", REFERENCE, method))
    return (own - low) / (high - low)


def _verdicts(results: dict[str, dict[str, dict[str, list[float]]]]) -> list[dict[str, object]]:
    base = next(iter(results.values()))

    def ratio(found: dict[str, dict[str, list[float]]], key: str, a: str, b: str) -> float:
        return float(np.mean(found[a][key]) / np.mean(found[b][key]))

    effective, latency = "effective_throughput", "latency_mean_s"
    lines = []
    against = (
        ("bcedge", "> 5x", 5.0, "effective throughput against RL-based state of the art (BCEdge)"),
        ("octopinf", "nearly 2x", 1.8, "effective throughput against OctopInf as it was evaluated (FIXED)"),
        ("octopinf:deadline", "nearly 2x", 1.8, "the same against OctopInf as it was published (deadline batching)"),
    )
    for name in ("fcpo", "fcpo-plus"):
        for rival, paper, least, words in against:
            versus, served = ratio(base, effective, name, rival), float(np.mean(base[rival]["on_time_share"]))
            why = (
                ""
                if versus >= least
                else f"{rival} serves {100 * served:.0f} % here: all there is would be {1 / served:.2f}x"
            )
            lines.append(verdict(f"{name}: {words}", paper, f"{versus:.2f}x", versus >= least, why))
        less = 1 - ratio(base, latency, name, "bcedge")
        lines.append(verdict(f"{name}: latency reduction (against BCEdge)", "60 %", f"{100 * less:.0f} %", less > 0.6))
    for label, found in results.items():
        below = [o for o in (*PUBLISHED, "tuned-static", "rate-rule") if o in found]
        for name in [n for n in ("fcpo-plus", RETRAINED) if n in found]:
            missed = [o for o in below if not apart(found[name][effective], found[o][effective])]
            unsure = [o for o in below if not surely_better(found[name]["on_time_share"], found[o]["on_time_share"])]
            told = "paired differences in points on time: " + "; ".join(
                f"{o} {_better(found[name], found[o])}" for o in (missed or below)
            )
            of = f"{len(below) - len(missed)} of {len(below)}"
            claim = f"{name} beats every rival, 95 % intervals apart ({label})"
            lines.append(verdict(claim, "(our aim)", of, not missed, "" if not missed else "see the next line"))
            of = f"{len(below) - len(unsure)} of {len(below)}"
            lines.append(verdict(f"{name} beats every rival on the same workloads, 95 % interval of paired differences "
                                 f"above 0 ({label})", "(our aim)", of, not unsure, told))  # fmt: skip
        if REFERENCE in found:
            for name in ("fcpo", "fcpo-plus"):
                share = recovered(found, name)
                lines.append(verdict(f"{name}: share of the headroom from tuned static to hindsight ({label})",
                                     "(our aim: more than half)", f"{100 * share:.0f} %", share > 0.5))  # fmt: skip
    return lines


def _plot(file: Path, results: dict[str, dict[str, dict[str, list[float]]]]) -> None:
    pyplot = figure()
    fig, axes = pyplot.subplots(1, len(results), figsize=(4.2 * len(results), 4.2), squeeze=False, sharey=True)
    for ax, (label, found) in zip(axes[0], results.items(), strict=True):
        names = sorted(found, key=lambda name: float(np.mean(found[name]["effective_throughput"])))
        means = [np.mean(found[name]["effective_throughput"]) for name in names]
        errors = [np.std(found[name]["effective_throughput"]) for name in names]
        ax.barh(names, means, xerr=errors, color=["C1" if name.startswith("fcpo") else "C0" for name in names])
        ax.set_title(label, fontsize=8)
        ax.set_xlabel("results on time per second")
    fig.tight_layout()
    fig.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
