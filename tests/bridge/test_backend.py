"""A rack file as `backend=`: keys on disk, admission while it runs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

import octogym.cluster
from octogym.bridge.backend import BridgeBackend, BridgeError, open_bridge
from octogym.bridge.keys import KeyRing
from octogym.cluster.backend import Backend
from octogym.cluster.decision import Decision
from octogym.cluster.errors import ScenarioError
from octogym.cluster.registry import load_scenario, make_backend
from octogym.envs import batching_v0
from octogym.rack.up import NodesThread

DEVICES = [device.id for device in load_scenario("traffic-2").cluster.devices]


@pytest.fixture
def rack_file(tmp_path):
    """A roster of this machine, the host's key made and every device's admitted."""
    ring = KeyRing(tmp_path / "keys")
    ring.new("host")
    for device in DEVICES:
        ring.allow(device, ring.new(device).public)
    file = tmp_path / "rack.toml"
    file.write_text(
        'scenario = "traffic-2"\nlisten = "tcp://127.0.0.1:*"\nkeys = "keys"\nperiod_s = 0.3\n'
        '[devices.server]\naddress = "tcp://127.0.0.1:5771"\n'
    )
    return file


def nodes(backend: BridgeBackend, ring: KeyRing) -> NodesThread:
    pairs = {device: ring.pair(device) for device in DEVICES}
    return NodesThread(backend.scenario, backend.address, ring.public("host"), pairs, backend.roster.period_ns)


def test_an_environment_steps_a_rack_file(rack_file):
    backend = make_backend(str(rack_file))
    assert isinstance(backend, Backend) and isinstance(backend, BridgeBackend)
    env = batching_v0.parallel_env(backend=backend, horizon=4)
    try:
        with nodes(backend, KeyRing(rack_file.parent / "keys")):
            _, infos = env.reset(seed=0)
            assert all(info["present"] and info["fresh"] for info in infos.values())
            while env.agents:
                _, rewards, _, _, infos = env.step({agent: [0, 1, 0] for agent in env.agents})
            assert infos["cam-1/traffic.yolov5n"]["t_s"] >= 4 and any(rewards.values())
    finally:
        backend.close()


def test_a_key_that_is_revoked_while_the_rack_runs(rack_file):
    ring = KeyRing(rack_file.parent / "keys")
    backend = make_backend(str(rack_file), load_scenario("traffic-2"))
    keep = Decision.keep(backend.cluster)
    try:
        with nodes(backend, ring):
            backend.reset(0)
            assert backend.step(keep).present.all()
            ring.revoke("cam-1")
            t = backend.step(keep)
            assert backend.facts["cam-1"].fault == "REVOKED" and t.present.tolist() == [[0, 1, 1]]
            assert backend.step(keep).present.tolist() == [[0, 1, 1]]
    finally:
        backend.close()


def test_a_steady_rack_returns_no_earlier_than_the_grace(rack_file):
    """All have told long before; without `steady` it would return then."""
    text = rack_file.read_text()
    for steady in (False, True):
        rack_file.write_text(f"grace_ms = 60\nsteady = {str(steady).lower()}\n" + text)
        backend = make_backend(str(rack_file))
        keep, after_ms = Decision.keep(backend.cluster), []
        try:
            with nodes(backend, KeyRing(rack_file.parent / "keys")):
                backend.reset(0)
                for _ in range(4):
                    assert backend.step(keep).valid.all()
                    with backend._session.machine_now(wake=False) as (machine, now):
                        after_ms.append((now - machine.tick_ns(machine.window(now) - 1)) / 1e6)
        finally:
            backend.close()
        assert (min(after_ms) >= 60) == steady


def test_an_elastic_rack_gives_each_decision_a_whole_window(rack_file):
    rack_file.write_text("elastic = true\n" + rack_file.read_text())
    backend = make_backend(str(rack_file))
    keep = Decision.keep(backend.cluster)
    try:
        with nodes(backend, KeyRing(rack_file.parent / "keys")):
            backend.reset(0)
            backend.step(keep)
            time.sleep(0.15)  # half a window: on the fixed grid the decision would still be for this one
            begin = time.monotonic()
            assert backend.step(keep).window_ns[0] == 2e9
            assert time.monotonic() - begin > 0.3
            assert backend.facts["server"].act in ("", "unanswered")
    finally:
        backend.close()


def test_a_delay_that_a_bridge_cannot_give_is_refused(rack_file):
    text = (Path(octogym.cluster.__file__).parent / "scenarios" / "traffic-2.toml").read_text()
    (rack_file.parent / "late.toml").write_text(text + "\n[simulator]\ndelay_steps = 2\n")
    rack_file.write_text(rack_file.read_text().replace('"traffic-2"', '"late.toml"'))
    with pytest.raises(ScenarioError, match=r"late.toml: simulator.delay_steps = 2: expected .*0.*1"):
        make_backend(str(rack_file))
    scenario = load_scenario("traffic-2")
    scenario = replace(scenario, options=replace(scenario.options, delay_steps=2))
    with pytest.raises(ValueError, match=r"options.delay_steps = 2; allowed: 0, 1"):
        make_backend("bridge", scenario, rack=rack_file)


def test_what_is_missing_is_said_with_what_to_do(rack_file):
    ring = KeyRing(rack_file.parent / "keys")
    with pytest.raises(BridgeError, match=r"needs a rack file"):
        make_backend("bridge", "traffic-2")
    with pytest.raises(ScenarioError, match="backend sim: scenario = None: expected one of"):
        make_backend("sim")
    with pytest.raises(BridgeError, match="num_envs = 2"):
        make_backend(str(rack_file), num_envs=2)
    backend = open_bridge(rack=rack_file, join_s=0.2)
    with pytest.raises(BridgeError, match=r"none of cam-1, cam-2, server is ready after 0.2 s; .* tcp://127.0.0.1:\d+"):
        backend.reset(0)
    backend.close()
    backend.close()
    ring.revoke("cam-2")
    with pytest.raises(BridgeError, match=r"no admitted key for cam-2; .*octogym keys allow cam-2 KEY"):
        open_bridge(rack=rack_file)
    (ring.folder / "allowed.toml").write_text("nonsense")
    with pytest.raises(BridgeError, match=r"allowed\.toml"):
        open_bridge(rack=rack_file)
