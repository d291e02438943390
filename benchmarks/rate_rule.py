"""The rate rule's one number: on-time share over a grid of fractions, on training traces.

    python benchmarks/rate_rule.py [--scenario NAME ...] [--seeds 3] [--horizon 240]

`octogym.agents.rate_rule.FRACTION` is the best of this grid over the default scenarios.
"""

from __future__ import annotations

import argparse

import numpy as np

from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner

FRACTIONS = (0.06, 0.1, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8)
SCENARIOS = ("traffic-2", "fcpo-testbed", "campus-16-rack", "city-16-rack")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenario", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--horizon", type=float, default=240)
    options = parser.parse_args()
    print("fraction".ljust(10) + "".join(name.rjust(16) for name in options.scenario) + "mean".rjust(10))
    shares = np.array([_column(name, options) for name in options.scenario]).T
    for fraction, row in zip(FRACTIONS, shares, strict=True):
        print(f"{fraction:<10g}" + "".join(f"{share:16.2%}" for share in row) + f"{row.mean():10.2%}")
    print(f"best: {FRACTIONS[int(np.argmax(shares.mean(1)))]:g}")


def _column(name: str, options: argparse.Namespace) -> list[float]:
    scenario = load_scenario(name, split="train")
    backend = make_backend("sim", scenario, num_envs=options.seeds)
    horizon_s = min(options.horizon, scenario.horizon_s)
    shares = []
    for fraction in FRACTIONS:
        recorder = Runner(backend, make_policy(f"rate-rule:{fraction}")).run(horizon_s)
        shares.append(float(np.mean([recorder.episode(e).figures()["on_time_share"] for e in range(options.seeds)])))
    return shares


if __name__ == "__main__":
    main()
