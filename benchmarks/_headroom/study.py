"""One scenario: the best fixed settings, the rate rule and the windowed best-in-hindsight on the same workloads."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._headroom.bounds import bounds
from octogym.agents.tuning import Budget, Tuned, tune
from octogym.cluster.errors import ScenarioError
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario

#: What a benchmark scenario must show: tuned static within these, hindsight this much above it.
LOW, HIGH, GAIN = 0.70, 0.92, 0.05
FIGURES = ("on_time_share", "on_time_share_instance_minutes", "link_bound_share", "effective_throughput")
#: Test workloads are drawn from here on, training ones from 0.
FIRST_SEED = 1000

Tell = Callable[[str], None]


def on_split(name: str, split: str) -> Scenario:
    """The scenario on a split of its traces, or as it is if it has none."""
    try:
        return load_scenario(name, split=split)
    except ScenarioError as error:
        if error.key != "split":
            raise
        return load_scenario(name)


def measure(scenario: Scenario, policy: str, seeds: range, horizon_s: int) -> dict[str, np.ndarray]:
    """Figures of one policy by seed, all seeds in one batch."""
    backend = make_backend("sim", scenario, num_envs=len(seeds), check=False)
    recorder = Runner(backend, make_policy(policy)).run(horizon_s, seed=seeds.start)
    figures = [recorder.episode(e).figures() for e in range(len(seeds))]
    backend.close()
    return {key: np.array([f[key] for f in figures]) for key in figures[0]}


class Study:
    """What is measured of one scenario. `identity` says on what: a row of another identity is out of date."""

    def __init__(self, name: str, count: int, horizon_s: int, budget: Budget) -> None:
        self.name, self.budget = name, budget
        self.train, self.test = on_split(name, "train"), on_split(name, "test")
        self.seeds = range(FIRST_SEED, FIRST_SEED + count)
        self.horizon_s = min(horizon_s, self.test.horizon_s)
        self.identity = fingerprint(
            [
                (s.cluster, s.counts, s.rates, s.options, [s.plan(seed) for seed in drawn])
                for s, drawn in ((self.train, budget.seeds), (self.test, self.seeds))
            ]
            + [self.horizon_s, asdict(budget)]
        )

    def run(self, tell: Tell) -> dict[str, Any]:
        """All figures; `tell` hears what is being done."""
        started = time.monotonic()
        tuned = tune(self.train, self.budget, progress=lambda _, what: tell(f"tuning static: {what}"))
        found = self._policies(tuned, tell)
        tell("bounds")
        row: dict[str, Any] = {
            "scenario": self.name,
            "identity": self.identity,
            "traces": "synthetic" if self.test.synthetic_traces else "real",
            "profiles": "synthetic" if self.test.synthetic_profiles else "measured",
            "seeds": list(self.seeds),
            "horizon_s": self.horizon_s,
            "budget": asdict(self.budget),
            "common_batch_size": tuned.common_batch,
            "settings": tuned.settings,
            "shares": tuned.shares,
            "train_share": tuned.share,
            "bounds": bounds(self.test, self.seeds, self.horizon_s),
        }
        for policy, figures in found.items():
            row[policy] = {
                name: {"mean": float(figures[name].mean()), "by_seed": [float(x) for x in figures[name]]}
                for name in FIGURES
            }
        static, best = (row[policy]["on_time_share"]["mean"] for policy in ("tuned_static", "hindsight"))
        row["gain"] = best - static
        row["reason"] = lacking(static, best)
        row["headroom"] = not row["reason"]
        row["wall_s"] = time.monotonic() - started
        return row

    def _policies(self, tuned: Tuned, tell: Tell) -> dict[str, dict[str, np.ndarray]]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "tuned.json")
            file.write_text(json.dumps({"settings": tuned.settings, "shares": tuned.shares}), encoding="utf-8")
            policies = {
                "common_batch": f"static:batch={tuned.common_batch}",
                "tuned_static": f"static:{file}",
                "rate_rule": "rate-rule",
                "hindsight": f"best-in-hindsight:start={file}",
            }
            found = {}
            for key, policy in policies.items():
                tell(key.replace("_", " "))
                found[key] = measure(self.test, policy, self.seeds, self.horizon_s)
        return found


def lacking(static: float, best: float) -> str:
    """Why there is no headroom, in words; empty if there is."""
    reasons = []
    if not LOW <= static <= HIGH:
        side = "below" if static < LOW else "above"
        reasons.append(f"tuned static {static:.1%} is {side} {LOW:.0%} to {HIGH:.0%}")
    if best - static < GAIN:
        # Rounded down, so that 4.999 does not read as the 5 that it is not.
        gain = math.floor(1e4 * (best - static)) / 100
        reasons.append(f"hindsight gains {gain:.2f} points, less than {100 * GAIN:g}")
    return "; ".join(reasons)
