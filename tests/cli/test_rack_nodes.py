"""`octogym rack nodes`: both ends of a rack, each in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge.keys import KeyRing
from octogym.cli import main

#: What a user's script does: steps an environment over the rack file, and says what it has heard.
SCRIPT = """
import sys
from octogym.bridge.backend import open_bridge
from octogym.envs import batching_v0
backend = open_bridge(rack=sys.argv[1], join_s=120)
env = batching_v0.parallel_env(backend=backend, horizon=40)
_, infos = env.reset(seed=0)
heard = 0
while env.agents and heard < 4:
    _, rewards, _, _, infos = env.step({agent: [0, 1, 0] for agent in env.agents})
    heard += all(info["fresh"] for info in infos.values())
print("heard", heard, flush=True)
env.close()
backend.close()
"""


def rack_file(folder, port, more=""):
    file = folder / "rack.toml"
    file.write_text(
        f'scenario = "traffic-2"\nlisten = "tcp://127.0.0.1:{port}"\nweights = "tcp://127.0.0.1:*"\n'
        f'keys = "keys"\nperiod_s = 0.5\n{more}'
    )
    return file


def test_nodes_in_one_process_join_the_hosts_of_two_others(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = rack_file(tmp_path, port)
    words = [sys.executable, "-m", "octogym.cli", "rack", "nodes", str(file), "--new-keys"]
    # A shell's background jobs, and what they start, ignore the interrupt that is meant to end the nodes.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    nodes = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=heed)
    watchdog = threading.Timer(240, nodes.kill)
    watchdog.start()
    try:
        assert nodes.stdout is not None
        said = [nodes.stdout.readline() for _ in range(5)]
        assert said[-1] == f"3 simulated nodes of traffic-2 look for their host at tcp://127.0.0.1:{port}\n", said
        ring = KeyRing(tmp_path / "keys")
        assert ring.names() == ["cam-1", "cam-2", "host", "server"] and len(ring.allowed()) == 3
        for _ in range(2):  # the nodes find the second host as they found the first
            host = subprocess.run(
                [sys.executable, "-c", SCRIPT, str(file)], capture_output=True, text=True, timeout=200
            )
            assert host.returncode == 0 and host.stdout.endswith("heard 4\n"), host.stdout + host.stderr
        os.kill(nodes.pid, signal.SIGINT)
        rest, _ = nodes.communicate(timeout=60)
        assert nodes.returncode == 0 and int(rest.split()[0]) >= 8
    finally:
        watchdog.cancel()
        nodes.kill()
        nodes.wait()
        nodes.stdout.close()


@pytest.mark.parametrize(
    ("listen", "words", "message"),
    [
        ("*", [], "listen = 'tcp://127.0.0.1:*' does not say where the host is; give --host"),
        (5760, [], "cam-1.key"),
        (5760, ["--fault", "bang:cam-1@1+1"], "fault 'bang:cam-1@1+1'"),
        (5760, ["--new-keys", "--agents", "octopinf"], "policy octopinf on board: scope 'cluster'"),
    ],
)
def test_what_cannot_be_used_is_said(capsys, tmp_path, listen, words, message):
    assert main(["rack", "nodes", str(rack_file(tmp_path, listen)), *words]) == 2
    assert message in capsys.readouterr().err


def test_it_ends_by_itself_after_so_many_seconds(capsys, tmp_path):
    file = rack_file(tmp_path, 5760)
    assert main(["rack", "nodes", str(file), "--new-keys", "--seconds", "0.3", "--host", "tcp://127.0.0.1:1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 windows simulated"
