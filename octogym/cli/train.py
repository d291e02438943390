"""`octogym train`: a method on a scenario's training traces (those that learn from loads: `train_offload`)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cli import train_offload
from octogym.cli.choose import UsageError, add_scenario_arguments, seeds_of
from octogym.cli.train_settings import changed, out_folder, stopped, training_scenario_of
from octogym.cluster.scenario import Scenario


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("train", help="train a policy; leaves a checkpoint for `octogym run --policy`")
    methods = parser.add_subparsers(title="methods", metavar="METHOD", required=True)
    fcpo = methods.add_parser("fcpo", help="FCPO: one small continual agent per instance, federated")
    _common(fcpo, episodes=300, envs=1)
    fcpo.add_argument("--plus", action="store_true", help="the settings of fcpo-plus instead of the paper's")
    fcpo.add_argument(
        "--federate",
        choices=("all", "model", "none"),
        help="who federates: all agents (default), those of each model apart, nobody (default with --plus)",
    )
    fcpo.add_argument("--hierarchical", action="store_true", help="an edge server per device type, and a cloud")
    fcpo.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help="a policy that decides what the agents do not, as octocross:FILE,shares; may be repeated",
    )
    fcpo.add_argument("--warm", type=Path, metavar="FILE", help="start from this checkpoint")
    fcpo.add_argument(
        "--agent",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a constant of the agents (lr, gate, loss, variant, capacity, steps, ...); may be repeated",
    )
    fcpo.add_argument(
        "--fed",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the federation (fl_every, fraction, weighting, ...); may be repeated",
    )
    fcpo.set_defaults(run=run_fcpo, method="fcpo")
    others = {
        "bcedge": "BCEdge: one agent per device type, trained offline on profiles",
        "ippo": "independent PPO with one network for all agents",
        "mappo": "the same with a critic that sees all agents",
        "mappo-offload": "a learned offloader: one actor for all camera devices, a critic that sees all",
    }
    for name, words in others.items():
        other = methods.add_parser(name, help=words)
        _common(other, episodes=None, envs=None)
        other.add_argument(
            "--agent", action="append", default=[], metavar="NAME=VALUE", help="a constant of the method"
        )
        other.set_defaults(run=run_other, method=name)
    train_offload.add_methods(methods)


def _common(parser: argparse.ArgumentParser, episodes: int | None, envs: int | None) -> None:
    add_scenario_arguments(parser)
    parser.add_argument(
        "--seeds", default="0", metavar="N|N..M", help="seeds, each trained apart (default %(default)s)"
    )
    parser.add_argument("--episodes", type=int, default=episodes, help="default: %(default)s (None: the method's)")
    parser.add_argument("--envs", type=int, default=envs, metavar="E", help="environments in parallel per seed")
    parser.add_argument("--horizon", type=float, metavar="S", help="seconds of a simulated episode")
    parser.add_argument("--split", default="train", help="part of the traces (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default runs/METHOD-SCENARIO")
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    parser.add_argument("--board", action="store_true", help="TensorBoard events into DIR")
    parser.add_argument("--quiet", action="store_true")


def run_fcpo(options: argparse.Namespace) -> int:
    from octogym.agents.fcpo.settings import FcpoSettings
    from octogym.agents.onboard import IAgentConfig
    from octogym.fed.client import ClientConfig
    from octogym.fed.config import FedConfig
    from octogym.train.fcpo import FcpoTraining, train_fcpo

    settings = FcpoSettings.plus() if options.plus else FcpoSettings()
    settings = changed(settings, options.agent, "--agent", ("iagent", IAgentConfig))
    fed = changed(FedConfig(), options.fed, "--fed", ("client", ClientConfig))
    name = "fcpo-plus" if options.plus else "fcpo"
    federate = options.federate or ("none" if options.plus else "all")
    out = out_folder(options, name)
    result = train_fcpo(
        FcpoTraining(
            training_scenario_of(options),
            seeds=tuple(seeds_of(options.seeds)),
            episodes=options.episodes,
            envs=options.envs,
            federated=federate != "none",
            among="model" if federate == "model" else "all",
            hierarchical=options.hierarchical,
            settings=settings,
            fed=fed,
            name=name,
            warm=options.warm,
            horizon_s=options.horizon,
            beside=tuple(options.beside),
            threads=options.threads,
            out=out,
            resume=options.resume,
            board=options.board,
            quiet=options.quiet,
        )
    )
    for seed, file in result.files.items():
        print(f"seed {seed}: {_gained(result.history, seed)}{file}")
    return 0 if result.finished else stopped(out)


def _gained(history: dict[str, np.ndarray], seed: int) -> str:
    """From the first to the last 100 windows; empty for shorter trainings."""
    mine = {name: values[history["seed"] == seed] for name, values in history.items()}
    if not len(mine["t_s"]):
        return ""
    reward, effective = mine["reward"], mine["effective_throughput"]
    return (
        f"{int(mine['updates'][-1])} episodes, reward {reward[0]:.3f} -> {reward[-1]:.3f}, "
        f"effective throughput {effective[0]:.1f} -> {effective[-1]:.1f} results/s, "
        f"{int(mine['rounds'][-1])} federated rounds: "
    )


def run_other(options: argparse.Namespace) -> int:
    out, scenario = out_folder(options, options.method), training_scenario_of(options)
    seeds = seeds_of(options.seeds)
    for seed in seeds:
        folder = out if len(seeds) == 1 else out / f"seed-{seed}"
        file, interrupted = _train_other(options, scenario, seed, folder)
        if interrupted:
            return stopped(out)
        print(f"seed {seed}: {file}")
    return 0


def _train_other(options: argparse.Namespace, scenario: Scenario, seed: int, folder: Path) -> tuple[Path | None, bool]:
    resume = options.resume and folder.exists()
    given: dict[str, Any] = {"scenario": scenario, "seed": seed, "out": folder, "resume": resume}
    given.update(quiet=options.quiet, threads=options.threads, board=options.board)
    if options.method == "bcedge":
        from octogym.train.bcedge import BCEdgeConfig, train_bcedge

        for flag in ("envs", "horizon"):
            if getattr(options, flag) is not None:
                raise UsageError(f"--{flag}: BCEdge is trained on profiles, not in the simulator")
        chosen = {} if options.episodes is None else {"updates": options.episodes}
        trained = train_bcedge(changed(BCEdgeConfig(**given, **chosen), options.agent, "--agent"))
        return trained.file, trained.interrupted
    chosen = {"horizon": options.horizon}
    chosen.update({k: v for k, v in (("episodes", options.episodes), ("num_envs", options.envs)) if v is not None})
    if options.method == "mappo-offload":
        from octogym.train.ppo import OffloadPpoConfig, train_offload_ppo

        learned = train_offload_ppo(changed(OffloadPpoConfig(**given, **chosen), options.agent, "--agent"))
        return learned.file, learned.interrupted
    from octogym.train.ppo import PpoConfig, train_ppo

    result = train_ppo(changed(PpoConfig(method=options.method, **given, **chosen), options.agent, "--agent"))
    return result.file, result.interrupted
