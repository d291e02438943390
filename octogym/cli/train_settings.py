"""What the training commands share: the scenario's training part, the run's folder, NAME=VALUE settings."""

from __future__ import annotations

import argparse
import ast
import dataclasses
from pathlib import Path
from typing import Any

from octogym.cli.choose import UsageError, scenario_of
from octogym.cli.store import slug
from octogym.cluster.errors import OctoGymError, ScenarioError
from octogym.cluster.scenario import Scenario

INTERRUPTED = 130


def training_scenario_of(options: argparse.Namespace) -> Scenario:
    """The scenario on `options.split`; whole where it has no training part."""
    try:
        return scenario_of(options, options.split)
    except ScenarioError as error:
        if error.key != "split" or options.split != "train":
            raise
        return scenario_of(options)


def out_folder(options: argparse.Namespace, name: str) -> Path:
    """Where the run goes."""
    return options.out or Path("runs") / f"{name}-{slug(str(options.scenario))}"


def stopped(out: Path) -> int:
    """Says how to go on; the exit code."""
    print(f"stopped; `--resume --out {out}` goes on from there")
    return INTERRUPTED


def changed(settings: Any, items: list[str], flag: str, inner: tuple[str, Any] | None = None) -> Any:
    """`settings` (a dataclass) with NAME=VALUE items; names of the dataclass in its field `inner` are taken, too."""
    outer_names = {f.name for f in dataclasses.fields(settings)}
    inner_names = {f.name for f in dataclasses.fields(inner[1])} if inner else set()
    mine: dict[str, Any] = {}
    below: dict[str, Any] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals:
            raise UsageError(f"{flag} {item}: expected NAME=VALUE")
        if name in inner_names:
            below[name] = _value(text)
        elif name in outer_names and not (inner and name == inner[0]):
            mine[name] = _value(text)
        else:
            known = ", ".join(sorted((outer_names | inner_names) - ({inner[0]} if inner else set())))
            raise UsageError(f"{flag} {item}: no such name; there are {known}")
    try:
        if inner and below:
            mine[inner[0]] = dataclasses.replace(getattr(settings, inner[0]), **below)
        return dataclasses.replace(settings, **mine)
    except OctoGymError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(f"{flag} {' '.join(items)}: {error}") from None


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)
