"""`octogym rack`: a rack of simulated nodes on this machine; runs recorded there."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from octogym.bridge.backend import BridgeBackend
from octogym.cli import rack_nodes, rack_watch, replay
from octogym.cli.choose import UsageError, windows_of
from octogym.cli.progress import Bar
from octogym.cluster.registry import load_scenario, make_policy
from octogym.cluster.runner import Runner, Window
from octogym.cluster.scenario import Scenario
from octogym.rack.faults import KINDS, Fault

ENGINES = ("sim",)
_FAULTS = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("rack", help="bring up a rack of simulated nodes and step it; replay a recorded run")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    up = actions.add_parser(
        "up",
        help="nodes behind real sockets, with keys of their own, stepped by a policy",
        description="Brings up a node per device and steps the rack with a policy. The last line says steps, late "
        "steps and faults. Exit code 0: no step was late, no fault that was not asked for, and in the last window "
        "every device was heard; else 1.",
    )
    up.add_argument("--nodes", type=int, metavar="N", help="devices of the rack (default 12; else the scenario's)")
    up.add_argument("--engine", choices=ENGINES, default="sim", help="what the nodes run (default %(default)s)")
    up.add_argument("--scenario", metavar="NAME|FILE", help="default: scale-2N, two instances per node")
    up.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="cluster time to run (default %(default)g)"
    )
    up.add_argument("--speed", type=float, default=1.0, metavar="F", help="times real time (default %(default)g)")
    up.add_argument("--seed", type=int, default=0, metavar="N")
    up.add_argument(
        "--policy", action="append", default=[], metavar="NAME[:ARG]", help="default static; several run together"
    )
    up.add_argument("--agents", metavar="NAME[:ARG]", help="this policy on every device decides there, not the host")
    up.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND:DEVICE@AT+SECONDS",
        help=f"stage a fault, may be repeated; {_FAULTS}",
    )
    up.add_argument("--no-curve", action="store_true", help="plain sockets instead of CURVE")
    up.add_argument("--processes", action="store_true", help="a process per node, to be killed from outside")
    up.add_argument("--record", type=Path, metavar="FILE", help="record the run in a new FILE.parquet")
    up.set_defaults(run=run)
    rack_nodes.add_parser(actions)
    rack_watch.add_parsers(actions)
    replay.add_parser(actions)


def run(options: argparse.Namespace) -> int:
    from octogym.rack.onboard import OnboardPolicy
    from octogym.rack.up import simulated_rack  # with the simulator's compiler, which takes a while

    scenario = _scenario(options)
    devices = [device.id for device in scenario.cluster.devices]
    faults = [Fault.parse(text, devices) for text in options.fault]
    policies = options.policy or ["static"]
    seconds = windows_of(options.seconds, scenario)
    made = [make_policy(policy) for policy in policies]
    if faults and options.processes:
        raise UsageError("--fault with --processes: kill or stop a node's process from outside instead")
    if options.agents is not None:
        OnboardPolicy(options.agents, scenario.cluster)  # said before any process is started
    if options.seed < 0:
        raise UsageError(f"--seed {options.seed}: expected 0 or more")
    nodes: Any = "processes" if options.processes else "process"
    print(f"{len(devices)} simulated nodes of {scenario.name}, {options.speed:g} times real time", flush=True)
    curve = not options.no_curve
    with simulated_rack(scenario, options.speed, faults, curve, nodes, 30.0, options.agents) as backend:
        backend.keep_log("simulated")
        with (
            closing(replay.recorded(backend, options.record, policies)) as stepped,
            Bar(round(seconds * 1e9 / scenario.cluster.period_ns), "rack") as bar,
        ):

            def advance(window: Window) -> None:
                heard = int(window.telemetry.valid.sum())
                bar.advance(1, heard=f"{heard}/{scenario.cluster.S}", faults=str(backend.tally.faults.total()))

            Runner(stepped, made, names=policies).run(seconds, options.seed, advance)
        return _report(backend, bool(faults))


def _scenario(options: argparse.Namespace) -> Scenario:
    if options.nodes is not None and options.nodes < 1:
        raise UsageError(f"--nodes {options.nodes}: expected at least 1")
    scenario = load_scenario(options.scenario or f"scale-{2 * (options.nodes or 12)}")
    if options.nodes not in (None, scenario.cluster.D):
        raise UsageError(f"--nodes {options.nodes}: {scenario.name} has {scenario.cluster.D} devices, a node each")
    return scenario


def _report(backend: BridgeBackend, staged: bool) -> int:
    tally = backend.tally
    silent = [device for device, facts in backend.facts.items() if not facts.fresh]
    if silent:
        print(f"not heard in the last window: {', '.join(silent)}")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.faults.items()))
    print(
        f"{tally.steps} steps, {tally.late_steps} late, {tally.faults.total()} faults"
        + (f" ({kinds})" if kinds else "")
    )
    return int(bool(tally.late_steps or silent or (tally.faults and not staged)))
