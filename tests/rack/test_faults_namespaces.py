"""Nodes in a network namespace of their own, behind a shaped link; needs root, `ip` and `tc`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import open_bridge
from octogym.bridge.keys import KeyRing
from octogym.cluster.registry import load_scenario
from octogym.cluster.traces.real import find_data, load_real
from octogym.cluster.traces.series import RateSeries
from octogym.cluster.traces.synthetic import synthetic_set
from tests.rack.watch import Watch

SPACE, HERE, THERE = "octogym-test", "octo-host", "octo-node"
#: Seconds of a 5G link on the move, one a window, and the rate that counts as good at both ends.
SECONDS, GOOD_BPS = 16, 5e6
TRACE = "5g/moving-11"

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


def fade(series: RateSeries) -> list[int]:
    """kbit/s of the worst `SECONDS` of a link that begin and end well."""
    rate = series.at(np.arange(series.end_ns // 1_000_000_000) * 1_000_000_000)
    spans = np.lib.stride_tricks.sliding_window_view(rate, SECONDS)
    well = (spans[:, :2] > GOOD_BPS).all(1) & (spans[:, -4:] > GOOD_BPS).all(1)
    mean = np.where(well, spans[:, 3:-4].mean(1), np.inf)
    worst = spans[int(np.argmin(mean))]
    assert well.any() and worst.min() < 1e6  # a trace that never fades tests nothing
    return [int(max(1, bps // 1000)) for bps in worst]


def rates(source: str) -> list[int]:
    if source == "synthetic":
        return fade(synthetic_set(3).rates[TRACE])
    if find_data() is None:
        pytest.skip("the measured traces are not here: octogym data fetch")
    return fade(load_real(families=("5g",)).rates[TRACE])


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
        shape(50_000, "add")
    except subprocess.CalledProcessError as error:
        subprocess.run(["ip", "netns", "del", SPACE], capture_output=True, timeout=20)
        pytest.skip(f"this kernel cannot: {error.stderr.decode().strip()}")
    yield SPACE
    subprocess.run(["ip", "netns", "del", SPACE], capture_output=True, timeout=20)
    subprocess.run(["ip", "link", "del", HERE], capture_output=True, timeout=20)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["measured", "synthetic"])
def test_a_mobile_link_that_fades_and_breaks(space, tmp_path, source):
    trace = rates(source)
    scenario, ring = load_scenario("traffic-2"), KeyRing(tmp_path / "keys")
    ring.new("host")
    for device in scenario.cluster.devices:
        ring.allow(device.id, ring.new(device.id).public)
    file = tmp_path / "rack.toml"
    file.write_text('scenario = "traffic-2"\nlisten = "tcp://10.213.77.1:*"\nkeys = "keys"\nperiod_s = 0.5\n')
    backend = open_bridge(rack=file, join_s=60)
    command = ["ip", "netns", "exec", space, sys.executable, "-c", NODES, str(ring.folder), backend.address]
    nodes = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert nodes.stdout is not None and nodes.stdout.readline() == "ready\n"
        backend.reset(0)
        watch = Watch(backend)
        watch.all_heard()
        longest = 0.0
        for kbit in trace:
            shape(kbit)
            begin = time.monotonic()
            watch.step()
            longest = max(longest, time.monotonic() - begin)
        assert longest < 0.5 + 0.125 + 1.5  # the period, the grace, and a busy machine: nobody waited for the link
        watch.all_heard()
        ip("link", "set", HERE, "down")
        watch.until(lambda facts: {f.fault for f in facts.values()} == {"LINK_DOWN"}, "the link is down")
        ip("link", "set", HERE, "up")
        watch.all_heard()
    finally:
        nodes.kill()
        nodes.wait()
        nodes.stdout.close()
        backend.close()
