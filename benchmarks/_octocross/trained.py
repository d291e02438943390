"""Checkpoints that the benchmarks need: trained once, kept in a folder, gone on with after an interruption."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks._study.kept import folder, once
from octogym.scheduler.octocross.fit import FitSettings
from octogym.train.checkpoint import POLICY_FILE, STATE_FILE

#: What learns from loads beside OctoCross itself.
FORECASTERS = ("distream-offload", "gnn-lstm", "temp-abl", "spat-abl")
LEARNED = "mappo-offload"
STUDY = "octocross"


@dataclass(frozen=True)
class Lesson:
    """How long and on what everything that learns is trained: the training split of a scenario.

    `steps`, `batch`: of models that learn from loads, OctoCross's preset `preset` among them. `offload`: settings of
    the learned offloader, as pairs.
    """

    steps: int = 1500
    batch: int = 1
    preset: str = "fast"
    offload: tuple[tuple[str, Any], ...] = (("episodes", 60),)

    @classmethod
    def quick(cls) -> Lesson:
        """Shows that it works."""
        return cls(steps=20, offload=(("episodes", 2), ("num_envs", 2), ("horizon", 60.0)))


def policy(method: str, scenario: str, seed: int, lesson: Lesson) -> str:
    """`NAME:FILE` of a method trained on a scenario with a seed; a word after a comma (`octocross,plus`) stays."""
    name, comma, word = method.partition(",")
    return f"{name}:{checkpoint(name, scenario, seed, lesson)}{comma}{word}"


def checkpoint(method: str, scenario: str, seed: int, lesson: Lesson) -> Path:
    """What the training left; it is done if it is not there."""
    what = {"method": method, "scenario": scenario, "seed": seed, "lesson": asdict(lesson)}
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:10]
    out = folder(STUDY) / f"{method}-{scenario}-{seed}-{digest}"
    once(out, lambda: _train(method, scenario, seed, lesson, out))
    return out / POLICY_FILE


def _train(method: str, scenario: str, seed: int, lesson: Lesson, out: Path) -> bool:
    """Whether it was interrupted."""
    resume = (out / STATE_FILE).exists()
    if method == LEARNED:
        from octogym.train.ppo import OffloadPpoConfig, train_offload_ppo

        config = OffloadPpoConfig(scenario, out, seed=seed, resume=resume)
        return train_offload_ppo(replace(config, **dict(lesson.offload))).interrupted
    settings = FitSettings(steps=lesson.steps, batch=lesson.batch)
    common: dict[str, Any] = {"settings": settings, "seed": seed, "out": out, "resume": resume}
    if method == "octocross":
        from octogym.train.octocross import OctoCrossTraining, train_octocross

        return train_octocross(OctoCrossTraining(scenario, preset=lesson.preset, **common)).interrupted
    from octogym.train.octocross import ForecasterTraining, train_forecaster

    return train_forecaster(ForecasterTraining(scenario, preset=lesson.preset, method=method, **common)).interrupted
