"""`octogym train octocross` and its rivals: what learns to offload."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from octogym.cli.choose import UsageError, add_scenario_arguments, seeds_of
from octogym.cli.store import slug
from octogym.cli.train_settings import changed, stopped, training_scenario_of

#: Methods of `octogym.train.octocross.forecasters`.
FORECASTERS = {
    "distream-offload": "Distream's forecaster, an LSTM",
    "gnn-lstm": "GNN_LSTM: graph convolutions, then an LSTM; for the one scenario",
    "temp-abl": "OctoCross without its temporal embedding",
    "spat-abl": "OctoCross without its spatial embedding",
}


def add_methods(methods: Any) -> None:
    """The parsers of the methods that learn from loads: OctoCross, its rivals and ablations."""
    words = {"octocross": "OctoCross: forecasts and offloading from one model", **FORECASTERS}
    for name, text in words.items():
        parser = methods.add_parser(name, help=text)
        _arguments(parser)
        parser.set_defaults(run=run_on_loads, method=name)


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_scenario_arguments(parser, optional=True)
    parser.add_argument(
        "--series",
        action="append",
        default=[],
        metavar="WHAT",
        help="learn from these loads, too, or without SCENARIO from these alone: real, synthetic[:SEED], or a file of "
        "counts (FILE?rate_hz=15); may be repeated",
    )
    parser.add_argument("--split", default="train", help="part of the scenario's traces (default %(default)s)")
    parser.add_argument(
        "--episodes", type=int, default=16, help="of the scenario that are learned from (default %(default)s)"
    )
    parser.add_argument("--preset", choices=("paper", "fast"), default="fast", help="sizes (default %(default)s)")
    parser.add_argument("--seeds", default="0", metavar="N|N..M", help="each trained apart (default %(default)s)")
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps (default %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="windows per step (default %(default)s)")
    parser.add_argument(
        "--fit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how it is fitted (lr, clip, weight_decay, average, validate_every, scale, reverse, missing, unknown); "
        "may be repeated",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default runs/METHOD-SCENARIO")
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    parser.add_argument("--board", action="store_true", help="TensorBoard events into DIR")
    parser.add_argument("--quiet", action="store_true")


def run_on_loads(options: argparse.Namespace) -> int:
    from octogym.scheduler.octocross.batches import Variation
    from octogym.scheduler.octocross.fit import FitSettings

    if options.scenario is None and not options.series:
        raise UsageError("SCENARIO or --series: expected at least one, to learn from")
    settings = changed(FitSettings(steps=options.steps, batch=options.batch), options.fit, "--fit", ("vary", Variation))
    scenario = None if options.scenario is None else training_scenario_of(options)
    out = options.out or Path("runs") / f"{options.method}-{slug(str(options.scenario or 'series'))}"
    config: dict[str, Any] = {name: getattr(options, name) for name in ("episodes", "preset", "threads", "quiet")}
    config.update(scenario=scenario, series=tuple(options.series), settings=settings, board=options.board)
    seeds = seeds_of(options.seeds)
    for seed in seeds:
        folder = out if len(seeds) == 1 else out / f"seed-{seed}"
        # Of several seeds the last ones may not have begun.
        result = _train(options.method, {**config, "seed": seed, "out": folder}, options.resume and folder.exists())
        if result.interrupted:
            return stopped(out)
        first, last = (result.history["total"][part].mean() for part in (slice(0, 100), slice(-100, None)))
        print(f"seed {seed}: {result.steps} steps, loss {first:.4f} -> {last:.4f}: {result.file}")
    return 0


def _train(method: str, config: dict[str, Any], resume: bool) -> Any:
    if method == "octocross":
        from octogym.train.octocross import OctoCrossTraining, train_octocross

        return train_octocross(OctoCrossTraining(**config, resume=resume))
    from octogym.train.octocross import ForecasterTraining, train_forecaster

    return train_forecaster(ForecasterTraining(**config, resume=resume, method=method))
