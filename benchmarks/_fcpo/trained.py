"""Checkpoints that the benchmarks need: trained once, kept in a folder, gone on with after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._study.kept import folder, once
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.train.checkpoint import POLICY_FILE, STATE_FILE
from octogym.train.fcpo.history import COLUMNS
from octogym.train.fcpo.training import HISTORY_FILE, FcpoTraining, train_fcpo

FOLDER = folder("fcpo")


def settings_of(method: str) -> FcpoSettings:
    """Settings of `fcpo` or `fcpo-plus`."""
    return {"fcpo": FcpoSettings(), "fcpo-plus": FcpoSettings.plus()}[method]


def method(name: str, runs: int, episodes: int) -> dict[int, Path]:
    """Checkpoint per seed of `fcpo` (federated, as published) or `fcpo-plus` (every agent alone) on the testbed."""
    files, _ = fcpo(name, range(runs), episodes, settings_of(name), name=name, federated=name == "fcpo")
    return files


def fcpo(
    label: str,
    seeds: Sequence[int],
    episodes: int,
    settings: FcpoSettings | None = None,
    scenario: Any = "fcpo-testbed",
    **training: Any,
) -> tuple[dict[int, Path], dict[str, np.ndarray]]:
    """(checkpoint per seed, history) of a training of FCPO; what is there from the same training is taken."""
    settings = settings or FcpoSettings()
    config = FcpoTraining(scenario, seeds=tuple(seeds), episodes=episodes, settings=settings, **training)
    what = {
        "settings": settings.as_plain(),
        "seeds": list(seeds),
        "episodes": episodes,
        "scenario": str(scenario if isinstance(scenario, str) else scenario.name),
        "training": {key: asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
                     for key, value in training.items()},
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:10]
    out = FOLDER / f"{label}-{digest}"
    files = {seed: out / POLICY_FILE if len(seeds) == 1 else out / f"seed-{seed}" / POLICY_FILE for seed in seeds}
    once(out, lambda: not train_fcpo(replace(config, out=out, resume=(out / STATE_FILE).exists())).finished)
    return files, read_history(out / HISTORY_FILE)


def read_history(file: Path) -> dict[str, np.ndarray]:
    """Columns of a `history.csv`; NaN for empty cells."""
    rows = np.genfromtxt(file, delimiter=",", skip_header=1, dtype=float, ndmin=2)
    return {name: rows[:, k] for k, name in enumerate(COLUMNS)}


def other(method: str, seeds: Sequence[int], quick: bool, scenario: str = "fcpo-testbed") -> dict[int, Path]:
    """Checkpoint per seed of `bcedge`, `ippo` or `mappo` with their own defaults."""
    files = {}
    for seed in seeds:
        out = FOLDER / f"{method}-{scenario}{'-quick' if quick else ''}" / f"seed-{seed}"
        once(out, lambda seed=seed, out=out: _train_other(method, scenario, seed, out, quick))
        files[seed] = out / POLICY_FILE
    return files


def _train_other(method: str, scenario: str, seed: int, out: Path, quick: bool) -> bool:
    """Whether it was interrupted."""
    resume = (out / STATE_FILE).exists()
    if method == "bcedge":
        from octogym.train.bcedge import BCEdgeConfig, train_bcedge

        short = {"updates": 2} if quick else {}
        return train_bcedge(BCEdgeConfig(scenario, out, seed=seed, resume=resume, **short)).interrupted
    from octogym.train.ppo import PpoConfig, train_ppo

    few: dict[str, Any] = {"episodes": 1, "num_envs": 2, "horizon": 100.0}
    if not quick:
        # As many windows as FCPO's agents live through.
        few = {"episodes": 24, "num_envs": 4, "horizon": 300.0, "rollout": 25}
    return train_ppo(PpoConfig(scenario, method, out, seed=seed, resume=resume, **few)).interrupted
