"""What a command is asked to run: scenario with its switches, policies, seeds."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from octogym.cluster.errors import OctoGymError, ScenarioError
from octogym.cluster.registry import load_scenario, policies
from octogym.cluster.scenario import Scenario


class UsageError(OctoGymError):
    """Arguments that cannot be used."""


def add_scenario_arguments(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """SCENARIO, --traces, --slo-ms, --set."""
    words = "a name (see: octogym scenarios), a .toml file, or a recorded run (.parquet) for its traces"
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?" if optional else None, help=words)
    parser.add_argument("--traces", choices=("auto", "real", "synthetic"), help="default: as the scenario says")
    parser.add_argument("--slo-ms", type=float, metavar="MS", help="another SLO for every pipeline")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a key of the scenario, dotted, for example --set programme.load=1.2; may be repeated",
    )


def scenario_of(options: argparse.Namespace, split: str | None = None) -> Scenario:
    """The scenario that the options name, on a split (the file's default if None or if it has no such split)."""
    changes = dict(_pair(item) for item in options.set)
    if str(options.scenario).endswith(".parquet"):
        return _recorded(options, split)
    if options.traces:
        changes["traces"] = [options.traces]
    if split is not None:
        changes["split"] = split
    if options.slo_ms is not None:
        if not options.slo_ms > 0:
            raise UsageError(f"--slo-ms {options.slo_ms:g}: expected milliseconds above 0")
        pipelines = load_scenario(options.scenario, changes).cluster.slo_ns
        changes.update({f"pipelines.{name}.slo_ms": options.slo_ms for name in pipelines})
    return load_scenario(options.scenario, changes)


def _recorded(options: argparse.Namespace, split: str | None) -> Scenario:
    """A recorded run, which is as it is."""
    if split not in (None, "all"):
        raise ScenarioError(options.scenario, "split", split, "all: a recorded run has no other parts")
    if options.set or options.traces or options.slo_ms is not None:
        raise UsageError(
            f"{options.scenario}: --set, --traces and --slo-ms go with scenarios; a recorded run has its own"
        )
    from octogym.bridge.recorded_traces import recorded_scenario

    return recorded_scenario(options.scenario)


def _pair(item: str) -> tuple[str, Any]:
    key, equals, text = item.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {item}: expected KEY=VALUE")
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return key, text


def policies_of(options: argparse.Namespace) -> dict[str, list[str]]:
    """Label -> policies that run together: those of --policy, then each of --compare, then each of --label."""
    chosen = {}
    if options.policy:
        chosen["+".join(options.policy)] = list(options.policy)
    for one in split_names(options.compare, ","):
        chosen[one] = split_names(one, "+")
    for item in options.label:
        label, equals, names = item.partition("=")
        if not equals or not label.strip() or not names:
            raise UsageError(f"--label {item}: expected LABEL=A+B")
        if label.strip() in chosen:
            raise UsageError(f"--label {item}: another label; {label.strip()} is taken")
        chosen[label.strip()] = split_names(names, "+")
    chosen = chosen or {"rate-rule": ["rate-rule"]}
    known = policies()
    for name in (policy.partition(":")[0] for group in chosen.values() for policy in group):
        if name not in known:
            raise UsageError(f"no policy {name!r}; there are {', '.join(sorted(known))}")
    return chosen


def split_names(text: str, separator: str) -> list[str]:
    """Policies in a list. A part that begins with no policy's name belongs to the argument before it, as in
    `static:batch=4,pre=2,rate-rule`."""
    known = policies()
    names: list[str] = []
    for part in text.split(separator) if text else []:
        if not names or part.strip().partition(":")[0] in known:
            names.append(part.strip())
        elif ":" in names[-1]:
            names[-1] += separator + part
        else:
            names.append(part.strip())
    return names


def seeds_of(text: str) -> list[int]:
    """`3` or `0..4`, both ends included."""
    first, dots, last = text.partition("..")
    try:
        seeds = list(range(int(first), int(last if dots else first) + 1))
    except ValueError:
        seeds = []
    if not seeds or seeds[0] < 0:
        raise UsageError(f"--seed {text}: expected N or N..M, whole numbers from 0, N at most M")
    return seeds


def windows_of(horizon_s: float | None, scenario: Scenario) -> float:
    """The horizon in seconds, checked against the control window."""
    horizon_s = float(scenario.horizon_s) if horizon_s is None else horizon_s
    period_s = scenario.cluster.period_ns / 1e9
    if not horizon_s > 0 or abs(round(horizon_s / period_s) - horizon_s / period_s) > 1e-6:
        raise UsageError(f"--horizon {horizon_s:g}: expected seconds, a multiple of the window of {period_s:g} s")
    return horizon_s
