"""`octogym rack nodes`: simulated nodes that join a host started elsewhere."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from octogym.bridge.keys import KeyRing
from octogym.bridge.roster import Roster, read_roster
from octogym.cli.choose import UsageError
from octogym.rack.faults import Fault


def add_parser(actions: Any) -> None:
    nodes = actions.add_parser(
        "nodes",
        help="simulated nodes that join the host of a rack file, started elsewhere",
        description="Brings up a simulated node for every device of a rack file, until Ctrl-C. They look for the host "
        'that the file names, and for its next one: a training script with backend="rack.toml" in another terminal. '
        "All nodes run on this machine, which therefore holds all their keys.",
    )
    nodes.add_argument("file", type=Path, metavar="rack.toml")
    nodes.add_argument("--host", metavar="tcp://HOST:PORT", help="where the host is (default: the file's listen)")
    nodes.add_argument(
        "--new-keys", action="store_true", help="make keys that are missing, the host's too, and admit the devices"
    )
    nodes.add_argument("--agents", metavar="NAME[:ARG]", help="policy of devices under control = agent")
    nodes.add_argument(
        "--fault", action="append", default=[], metavar="KIND:DEVICE@AT+SECONDS", help="as for `octogym rack up`"
    )
    nodes.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds (default: at Ctrl-C)")
    nodes.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from octogym.rack.nodes import SimulatedNodes  # with the simulator's compiler, which takes a while

    roster = read_roster(options.file)
    ring = KeyRing(roster.keys)
    devices = [device.id for device in roster.devices]
    faults = [Fault.parse(text, devices) for text in options.fault]
    address = _address(options, roster)
    if options.new_keys:
        _make(ring, roster)
    pairs = {device: ring.pair(device) for device in devices}
    host = ring.public(roster.key) if roster.curve else None
    nodes = SimulatedNodes(roster.scenario, address, host, pairs, roster.period_ns, faults, agent=options.agents)
    print(f"{len(devices)} simulated nodes of {roster.scenario.name} look for their host at {address}", flush=True)
    end = None if options.seconds is None else time.monotonic() + options.seconds
    try:
        while end is None or time.monotonic() < end:
            nodes.turn()
    except KeyboardInterrupt:
        pass
    finally:
        nodes.close()
    print(f"{nodes.world.steps} windows simulated")
    return 0


def _address(options: argparse.Namespace, roster: Roster) -> str:
    """Where the host is. An address to listen on says it unless it leaves something open."""
    address = str(options.host or roster.listen)
    if "*" in address or "//0.0.0.0:" in address or "//[::]:" in address:
        raise UsageError(f"{options.file}: listen = {address!r} does not say where the host is; give --host")
    return address


def _make(ring: KeyRing, roster: Roster) -> None:
    there = ring.names()
    for name in [roster.key, *(device.id for device in roster.devices)]:
        if name not in there:
            ring.new(name)
            print(f"{name}: new key in {ring.folder}", flush=True)
    allowed = ring.allowed()
    for device in roster.devices:
        if device.id not in allowed:
            ring.allow(device.id, ring.public(device.id))
