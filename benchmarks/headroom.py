"""How much is to be gained in each scenario, and by whom (docs/scenarios.md, Headroom).

    python benchmarks/headroom.py [SCENARIO ...] [--seeds N] [--horizon S] [--json FILE] [--quick]

For each scenario: the share of generated results on time under the best common batch size and the settings tuned per
model (both searched on the training split only), the rate rule, and the windowed best-in-hindsight, all on the same
test workloads; where devices can hand work to each other, the shares of it that fit locally and in one pool (octocross
spec 7.5). A scenario has headroom if tuned static serves 70 to 92 % and hindsight at least 5 points more.
These policies set batching, not shares: what offloading adds shows in the distance from local to pooled.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from octogym.agents.candidates import LADDER
from octogym.agents.tuning import Budget, tune
from octogym.cluster.errors import ScenarioError
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario

SHIPPED = (
    "traffic-2",
    "fcpo-testbed",
    "campus-8",
    "campus-12",
    "campus-16",
    "city-8",
    "city-16",
    "city-19",
    "city-26",
    "campus-16-rack",
    "city-16-rack",
)
LOW, HIGH, GAIN = 0.70, 0.92, 0.05


def on_split(name: str, split: str) -> Scenario:
    """The scenario on a split of its traces, or as it is if it has none."""
    try:
        return load_scenario(name, split=split)
    except ScenarioError as error:
        if error.key != "split":
            raise
        return load_scenario(name)


def measure(scenario: Scenario, policy: str, seeds: range, horizon: int) -> dict[str, np.ndarray]:
    """Figures of one policy by seed, all seeds in one batch."""
    backend = make_backend("sim", scenario, num_envs=len(seeds), check=False)
    recorder = Runner(backend, make_policy(policy)).run(horizon, seed=seeds.start)
    figures = [recorder.episode(e).figures() for e in range(len(seeds))]
    backend.close()
    return {key: np.array([f[key] for f in figures]) for key in figures[0]}


def pooling(scenario: Scenario, seeds: range, horizon: int) -> dict[str, float] | None:
    """Shares of the second stage's work that its own device could do, and that all camera devices together could do,
    second by second, at the sustained rate of batch 4. None where no camera device can hand work to another."""
    cluster = scenario.cluster
    rate = np.zeros(cluster.D)
    shares_work = False
    for route in cluster.routes:
        if route.source >= cluster.S:
            continue
        source, target = cluster.instances[route.source], cluster.instances[route.target]
        camera_device = cluster.devices[target.device].role == "camera"
        if camera_device and source.device == target.device:
            times = target.profile.infer_ns
            batch = min(4, len(times))
            rate[target.device] = batch / (times[batch - 1] / 1e9)
        shares_work |= camera_device and source.device != target.device
    if not shares_work:
        return None
    backend = make_backend("sim", scenario, num_envs=len(seeds), check=False)
    device = [camera.device for camera in cluster.cameras]
    local = pooled = total = 0.0
    for window in Runner(backend, make_policy("static")).windows(horizon, seed=seeds.start):
        load = np.zeros((len(seeds), cluster.D))
        for c, d in enumerate(device):
            load[:, d] += window.telemetry.objects[:, c]
        local += np.minimum(load, rate).sum()
        pooled += np.minimum(load.sum(1), rate.sum()).sum()
        total += load.sum()
    return {"local": local / total, "pooled": pooled / total}


def study(name: str, seeds: range, horizon: int, budget: Budget) -> dict[str, Any]:
    """All figures of one scenario."""
    train, test = on_split(name, "train"), on_split(name, "test")
    horizon = min(horizon, test.horizon_s)
    tuned = tune(train, budget)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tuned.json")
        file.write_text(json.dumps({"settings": tuned.settings}))
        policies = {
            "tuned_static": f"static:{file}",
            "rate_rule": "rate-rule",
            "hindsight": f"best-in-hindsight:start={file}",
        }
        found = {key: measure(test, policy, seeds, horizon) for key, policy in policies.items()}
    shares = {b: measure(train, f"static:batch={b}", seeds, 60)["on_time_share"].mean() for b in LADDER}
    common = max(shares, key=lambda b: float(shares[b]))
    found["common_batch"] = measure(test, f"static:batch={common}", seeds, horizon)
    result: dict[str, Any] = {
        "scenario": name,
        "traces": "synthetic" if test.synthetic_traces else "real",
        "profiles": "synthetic" if test.synthetic_profiles else "measured",
        "seeds": len(seeds),
        "horizon_s": horizon,
        "common_batch_size": common,
        "bounds": pooling(test, seeds, horizon),
    }
    for key, figures in found.items():
        result[key] = {
            figure: {"mean": float(figures[figure].mean()), "by_seed": [float(x) for x in figures[figure]]}
            for figure in (
                "on_time_share",
                "on_time_share_instance_minutes",
                "link_bound_share",
                "effective_throughput",
            )
        }
    static, best = (result[k]["on_time_share"]["mean"] for k in ("tuned_static", "hindsight"))
    result["gain"] = best - static
    result["headroom"] = LOW <= static <= HIGH and best - static >= GAIN
    return result


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    names = ("common_batch", "tuned_static", "rate_rule", "hindsight")
    share = {key: 100 * result[key]["on_time_share"]["mean"] for key in names}
    minutes = 100 * result["tuned_static"]["on_time_share_instance_minutes"]["mean"]
    bound = 100 * result["tuned_static"]["link_bound_share"]["mean"]
    pool = result["bounds"]
    limits = f"{100 * pool['local']:6.1f} {100 * pool['pooled']:6.1f}" if pool else "     -      -"
    parts = (
        f"{result['scenario']:<16} {result['traces']:<9} {share['common_batch']:6.1f} {share['tuned_static']:6.1f}",
        f"{minutes:8.1f} {share['rate_rule']:6.1f} {share['hindsight']:9.1f} {100 * result['gain']:+6.1f} {limits}",
        f"{bound:6.1f}  {'yes' if result['headroom'] else 'no'}",
    )
    return " ".join(parts)


HEAD = (
    "on time, % of generated results; minutes = tuned static, mean of instance-minutes; link = share of links bound\n"
    f"{'scenario':<16} {'traces':<9} {'common':>6} {'tuned':>6} {'minutes':>8} {'rule':>6} {'hindsight':>9} "
    f"{'gain':>6} {'local':>6} {'pooled':>6} {'link':>6}  headroom"
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="headroom of the shipped scenarios")
    parser.add_argument("scenarios", nargs="*", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--horizon", type=int, default=180, help="seconds of each test episode")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="one seed, 40 s, a small search")
    options = parser.parse_args(argv)
    count, horizon = (1, 40) if options.quick else (options.seeds, options.horizon)
    budget = Budget((0,), 40.0, 1) if options.quick else Budget()
    print(HEAD, flush=True)
    results = []
    for name in options.scenarios or SHIPPED:
        started = time.monotonic()
        results.append(study(name, range(1000, 1000 + count), horizon, budget))
        print(row(results[-1]), f" {time.monotonic() - started:.0f} s", flush=True)
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{sum(r['headroom'] for r in results)} of {len(results)} scenarios have headroom")
    return 0


if __name__ == "__main__":
    sys.exit(main())
