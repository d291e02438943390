"""`octogym scenarios`: what there is to run."""

from __future__ import annotations

import argparse
import json
from typing import Any

from octogym.cli.headroom import stated_headroom
from octogym.cluster.registry import load_scenario, scenarios
from octogym.cluster.scenario import Scenario


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("scenarios", help="list the scenarios, or describe one")
    parser.add_argument("scenario", nargs="?", help="a name or a .toml file to describe in detail")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.scenario is not None:
        _describe(load_scenario(options.scenario), options.json)
        return 0
    rows = [_row(name, description) for name, description in scenarios().items()]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    width = max(len(row["name"]) for row in rows)
    line = f"{{:<{width}}}  {{:>7}}  {{:>7}}  {{:>6}}  {{}}"
    print(line.format("name", "devices", "cameras", "agents", "description"))
    for row in rows:
        print(line.format(row["name"], row["devices"], row["cameras"], row["agents"], row["description"]))
        if row["headroom"]:
            print(line.format("", "", "", "", f"headroom: {row['headroom']}"))
    return 0


def _row(name: str, description: str) -> dict[str, Any]:
    scenario = load_scenario(name)
    cluster = scenario.cluster
    return {
        "name": name,
        "devices": cluster.D,
        "cameras": cluster.C,
        "agents": cluster.S,
        "description": description,
        "headroom": stated_headroom(scenario),
    }


def _describe(scenario: Scenario, as_json: bool) -> None:
    cluster = scenario.cluster
    if as_json:
        content = {
            "name": scenario.name,
            "description": scenario.description,
            "horizon_s": scenario.horizon_s,
            "slo_ms": {pipeline: slo / 1e6 for pipeline, slo in cluster.slo_ns.items()},
            "devices": {device.id: device.type.name for device in cluster.devices},
            "cameras": {camera.id: camera.pipeline for camera in cluster.cameras},
            "instances": [instance.id for instance in cluster.instances],
            "provenance": scenario.provenance,
        }
        print(json.dumps(content, indent=2))
        return
    print(f"{scenario.name}: {scenario.description}")
    slo = ", ".join(f"{pipeline} {ns / 1e6:g} ms" for pipeline, ns in cluster.slo_ns.items())
    print(f"horizon {scenario.horizon_s} s; window {cluster.period_ns / 1e9:g} s; SLO {slo}")
    for key, value in scenario.provenance.items():
        print(f"{key}: {value}")
    for d, device in enumerate(cluster.devices):
        print(f"\n{device.id} ({device.type.name}, {device.role})")
        cameras = [
            f"{camera.id} ({camera.pipeline}, {camera.fps:g} fps)" for camera in cluster.cameras if camera.device == d
        ]
        if cameras:
            print(f"  cameras: {', '.join(cameras)}")
        for instance in cluster.instances:
            if instance.device == d:
                pack, batch, threads = instance.action_sizes
                print(f"  {instance.id}: pack 1-{pack}, batch 1-{batch}, {threads} thread settings")
