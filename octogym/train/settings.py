"""Checks of a trainer's settings: every error names the setting, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octogym.cluster.errors import OctoGymError, ScenarioError
from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario
from octogym.train.checkpoint import STATE_FILE


class SettingError(OctoGymError, ValueError):
    """A setting of a training run that cannot be used."""

    def __init__(self, name: str, value: Any, allowed: str) -> None:
        super().__init__(name, value, allowed)
        self.name, self.value, self.allowed = name, value, allowed

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r}; allowed: {self.allowed}"


def whole(config: Any, name: str, least: int = 1) -> None:
    """Require an integer of at least `least`."""
    value = getattr(config, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingError(name, value, f"a whole number from {least}")


def number(config: Any, name: str, low: float, high: float = math.inf, above: bool = False) -> None:
    """Require a number of [low, high], or of (low, high] if `above`."""
    value = getattr(config, name)
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value > high or value < low or (above and value == low):
        begin = f"above {low:g}" if above else f"from {low:g}"
        raise SettingError(name, value, f"a number {begin}" + (f" to {high:g}" if high < math.inf else ""))


def one_of(config: Any, name: str, allowed: Sequence[str | None]) -> None:
    """Require one of a few values."""
    if getattr(config, name) not in allowed:
        raise SettingError(name, getattr(config, name), " or ".join(map(repr, allowed)))


def training_scenario(scenario: str | Path | Scenario, split: str) -> Scenario:
    """The scenario on a split, or whole where it has none and `split` is "train". A `Scenario` is taken as it is."""
    if isinstance(scenario, Scenario):
        return scenario
    try:
        return load_scenario(scenario, split=split)
    except ScenarioError as error:
        if error.key != "split" or split != "train":
            raise
        return load_scenario(scenario, split="all")


def run_folder(out: str | Path | None, resume: bool) -> Path | None:
    """The run's folder, which must not hold another run unless it is to be gone on with.

    Raises:
        SettingError: it holds one; or `resume` without a folder.
    """
    if out is None:
        if resume:
            raise SettingError("resume", resume, "False, or out=FOLDER of the run to go on with")
        return None
    if not resume and (Path(out) / STATE_FILE).exists():
        raise SettingError("out", str(out), "a folder without a run; resume=True goes on with the one that is there")
    return Path(out)
