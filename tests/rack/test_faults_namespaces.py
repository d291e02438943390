"""Nodes in a network namespace of their own, behind a shaped link; needs root, `ip` and `tc`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import open_bridge
from octogym.bridge.keys import KeyRing
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario

SPACE, HERE, THERE = "octogym-test", "octo-host", "octo-node"
#: kbit/s, one a window: a few seconds of a 5G link on the move, with its gap.
RATES = (52_000, 31_000, 8_400, 1_900, 420, 110, 64, 900, 12_000, 48_000)

#: All nodes of a rack file, until killed.
NODES = """
import sys
from pathlib import Path
from octogym.bridge.keys import KeyRing
from octogym.cluster.registry import load_scenario
from octogym.rack.nodes import SimulatedNodes
ring, scenario = KeyRing(sys.argv[1]), load_scenario("traffic-2")
pairs = {device.id: ring.pair(device.id) for device in scenario.cluster.devices}
nodes = SimulatedNodes(scenario, sys.argv[2], ring.public("host"), pairs, 500_000_000)
print("ready", flush=True)
nodes.run()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


def shape(kbit: int, verb: str = "change") -> None:
    words = ["qdisc", verb, "dev", THERE, "root", "tbf", "rate", f"{kbit}kbit", "burst", "32kb", "latency", "400ms"]
    subprocess.run(["ip", "netns", "exec", SPACE, "tc", *words], check=True, capture_output=True, timeout=20)


@pytest.fixture
def space():
    """A namespace behind a pair of virtual interfaces, 10.213.77.1 here and 10.213.77.2 there."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs root for a network namespace")
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    subprocess.run(["ip", "netns", "del", SPACE], capture_output=True, timeout=20)
    try:
        ip("netns", "add", SPACE)
        ip("link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE)
        ip("addr", "add", "10.213.77.1/30", "dev", HERE)
        ip("link", "set", HERE, "up")
        ip("-n", SPACE, "addr", "add", "10.213.77.2/30", "dev", THERE)
        ip("-n", SPACE, "link", "set", THERE, "up")
        shape(RATES[0], "add")
    except subprocess.CalledProcessError as error:
        subprocess.run(["ip", "netns", "del", SPACE], capture_output=True, timeout=20)
        pytest.skip(f"this kernel cannot: {error.stderr.decode().strip()}")
    yield SPACE
    subprocess.run(["ip", "netns", "del", SPACE], capture_output=True, timeout=20)
    subprocess.run(["ip", "link", "del", HERE], capture_output=True, timeout=20)


@pytest.mark.slow
def test_a_mobile_link_that_fades_and_breaks(space, tmp_path):
    scenario, ring = load_scenario("traffic-2"), KeyRing(tmp_path / "keys")
    ring.new("host")
    for device in scenario.cluster.devices:
        ring.allow(device.id, ring.new(device.id).public)
    file = tmp_path / "rack.toml"
    file.write_text('scenario = "traffic-2"\nlisten = "tcp://10.213.77.1:*"\nkeys = "keys"\nperiod_s = 0.5\n')
    backend = open_bridge(rack=file, join_s=60)
    command = ["ip", "netns", "exec", space, sys.executable, "-c", NODES, str(ring.folder), backend.address]
    nodes = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    keep = Decision.keep(backend.cluster)

    def until(fault: str, windows: int = 40) -> None:
        for _ in range(windows):
            begin = time.monotonic()
            backend.step(keep)
            assert time.monotonic() - begin < 0.5 + 0.125 + 1.5
            if {facts.fault for facts in backend.facts.values()} == {fault}:
                return
        raise AssertionError({device: facts.fault for device, facts in backend.facts.items()})

    try:
        assert nodes.stdout is not None and nodes.stdout.readline() == "ready\n"
        backend.reset(0)
        until("")
        for kbit in RATES:
            shape(kbit)
            backend.step(keep)
        until("")
        ip("link", "set", HERE, "down")
        until("LINK_DOWN", windows=6)
        ip("link", "set", HERE, "up")
        until("")
        t = backend.step(keep)
        fates = t.total_on_time_results + t.total_late + t.total_dropped + t.total_missed + t.total_lost_results
        assert (t.total_generated == fates + t.in_flight).all()
    finally:
        nodes.kill()
        nodes.wait()
        nodes.stdout.close()
        backend.close()
