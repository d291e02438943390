"""The host's process killed under its nodes; a new one with the same keys takes over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.backend import open_bridge
from octogym.bridge.keys import KeyRing
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.cluster.telemetry import BY_HOST, BY_SAFE
from octogym.rack.up import NodesThread

#: Steps a rack for ever, and says when it has begun.
HOST = """
import sys
from octogym.bridge.backend import open_bridge
from octogym.cluster.decision import Decision
backend = open_bridge(rack=sys.argv[1], join_s=60)
backend.reset(0)
while True:
    decision = Decision.keep(backend.cluster)
    decision.batch[:] = 2
    t = backend.step(decision)
    print(int(t.valid.sum()), flush=True)
"""


def test_a_host_that_is_killed_leaves_safe_devices_to_the_next_one(tmp_path):
    scenario = load_scenario("traffic-2")
    devices = [device.id for device in scenario.cluster.devices]
    ring = KeyRing(tmp_path / "keys")
    ring.new("host")
    for device in devices:
        ring.allow(device, ring.new(device).public)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path / "rack.toml"
    file.write_text(
        f'scenario = "traffic-2"\nlisten = "tcp://127.0.0.1:{port}"\nweights = "tcp://127.0.0.1:*"\n'
        'keys = "keys"\nperiod_s = 0.5\n'
    )
    pairs = {device: ring.pair(device) for device in devices}
    nodes = NodesThread(scenario, f"tcp://127.0.0.1:{port}", ring.public("host"), pairs, 500_000_000)
    host = subprocess.Popen([sys.executable, "-c", HOST, str(file)], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(120, host.kill)
    watchdog.start()
    try:
        with nodes:
            assert host.stdout is not None
            for line in host.stdout:
                if int(line) == scenario.cluster.S:
                    break
            else:
                raise AssertionError("the host has never heard all devices")
            os.kill(host.pid, signal.SIGKILL)
            host.wait()
            backend = open_bridge(rack=file, join_s=60)
            try:
                keep = Decision.keep(backend.cluster)
                backend.reset(0)
                for _ in range(60):
                    t = backend.step(keep)
                    if t.valid.all() and (t.set_by == BY_SAFE).all():
                        break  # nobody has decided anything since: what expires falls to the safe settings
                else:
                    raise AssertionError(f"valid {t.valid}, set by {t.set_by}")
                decision = Decision.keep(backend.cluster)
                decision.batch[:] = 1
                for _ in range(20):
                    t = backend.step(decision)
                    if (t.set_by == BY_HOST).all() and t.valid.all():
                        break
                assert (t.set_by == BY_HOST).all() and (t.batch == 1).all()
            finally:
                backend.close()
    finally:
        watchdog.cancel()
        host.kill()
        host.wait()
        host.stdout.close()
