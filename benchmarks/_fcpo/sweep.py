"""Variants of the settings, trained alike and judged alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks._fcpo import trained
from benchmarks._fcpo.curves import blocks_to, by_seed
from benchmarks._study.runs import Condition, measure
from octogym.agents.fcpo.settings import FcpoSettings


def sweep(
    variants: Mapping[str, FcpoSettings],
    runs: int,
    episodes: int,
    horizon_s: float,
    workloads: int,
    say: Callable[[str], None],
    conditions: tuple[Condition, ...] = (Condition(),),
    training: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, list[float]]]:
    """Variant -> figure -> one value per run (training seed): the end of training, and the test workloads.

    `training`: per variant, further arguments of `FcpoTraining` (federated=False, ...).
    """
    results: dict[str, dict[str, list[float]]] = {}
    for name, settings in variants.items():
        more = dict((training or {}).get(name, {}))
        files, history = trained.fcpo(f"sweep-{_slug(name)}", range(runs), episodes, settings, **more)
        reward = by_seed(history, "reward")
        figures = {
            "train_reward": reward[:, -10:].mean(1).tolist(),
            "train_on_time_share": by_seed(history, "on_time_share")[:, -10:].mean(1).tolist(),
            "episodes_to_95": blocks_to(reward).tolist(),
            "skipped": np.nanmean(by_seed(history, "skipped"), 1).tolist(),
        }
        for condition in conditions:
            found = measure(
                condition,
                {name: lambda run, files=files: f"fcpo:{files[run]}"},
                runs,
                workloads,
                horizon_s,
                say,
            )[name]
            start = "" if condition == conditions[0] else f"{condition.label}: "
            figures.update(
                {start + key: found[key] for key in ("on_time_share", "effective_throughput", "latency_mean_s")}
            )
        results[name] = figures
    return results


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)
