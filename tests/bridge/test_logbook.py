"""What a rack leaves on disk."""

from __future__ import annotations

import json
import os
import time

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.bridge import logbook
from octogym.cli import main
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.rack.up import simulated_rack


def wait_for(done, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = logbook.racks()
        if found and done(found[0]):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(logbook.racks())


def test_a_rack_can_be_watched_while_it_runs_and_after_it_has_ended(monkeypatch, capsys):
    monkeypatch.setattr(logbook, "EVERY_S", 0.1)
    assert main(["rack", "status"]) == 2
    assert "no rack has run here; known in" in capsys.readouterr().err
    with simulated_rack(load_scenario("traffic-2"), speed=5) as rack:
        rack.keep_log("mine")
        rack.reset(0)
        for _ in range(4):
            rack.step(Decision.keep(rack.cluster))
        state = wait_for(lambda state: state["steps"] == 4 and state["devices"]["cam-1"]["bound_ms"] is not None)
        assert state["alive"] and state["process"] == os.getpid() and state["scenario"] == "traffic-2"
        assert set(state["devices"]) == {"cam-1", "cam-2", "server"}
        entry = state["devices"]["server"]
        assert entry["state"] == "running" and entry["key"].startswith("SHA256:") and entry["power_mw"] is None
        assert entry["about"]["engine"] == "sim"
        assert main(["rack", "status", "mine"]) == 0
        out = capsys.readouterr().out
        assert "traffic-2 at tcp://127.0.0.1:" in out and "not known" in out and "4 steps of 0.2 s, 0 late" in out
        main(["rack", "doctor"])
        out = capsys.readouterr().out
        assert "throttled, temperature, power: its hardware does not tell" in out and "from the host's, known to" in out
    assert main(["rack", "status", "--json"]) == 1
    state = json.loads(capsys.readouterr().out)
    assert state["ended"] and not state["alive"]
    assert main(["rack", "logs", "--device", "server"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines] == ["hello", "started"] and all("server" in line for line in lines)
    assert main(["rack", "logs", "other"]) == 2 and "no rack other has run here" in capsys.readouterr().err
    assert main(["rack", "logs", "--lines", "-1"]) == 2


def test_a_host_that_died_is_told_from_one_that_ended(tmp_path, capsys):
    folder = logbook.default_folder() / "rack-5760"
    folder.mkdir(parents=True)
    state = {"rack": "rack-5760", "scenario": "traffic-2", "address": "tcp://127.0.0.1:5760", "process": 2**22 + 1}
    state.update(written=time.time() - 60, ended=False, steps=9, late_steps=0, period_s=1.0, faults={"STALE": 2})
    state.update(devices={}, refused={"rate": 3}, turned_away={"strangers": 0})
    (folder / logbook.STATUS).write_text(json.dumps(state))
    assert main(["rack", "status", "rack"]) == 1
    out = capsys.readouterr().out
    assert "died without a good-bye" in out and "2 faults (STALE 2)" in out and "refused messages: rate 3" in out
    (folder / logbook.STATUS).write_text("{}")
    assert main(["rack", "status"]) == 2
    assert "not a rack's state" in capsys.readouterr().err


def test_only_the_last_racks_are_remembered_and_running_ones_stay(monkeypatch):
    base = logbook.default_folder()
    for k in range(logbook._KEPT + 5):
        (base / f"old-{k}").mkdir(parents=True)
        state = {"ended": k != 0, "process": os.getpid()}
        (base / f"old-{k}" / logbook.STATUS).write_text(json.dumps(state))
        os.utime(base / f"old-{k}", (k, k))
    logbook._forget(base, base / "new-1")
    left = {path.name for path in base.iterdir()}
    assert "old-0" in left and "old-1" not in left and f"old-{logbook._KEPT + 4}" in left


def test_a_folder_that_cannot_be_written_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OCTOGYM_STATE", str(tmp_path / "file"))
    with (
        simulated_rack(load_scenario("traffic-2"), speed=5) as rack,
        pytest.raises(logbook.LogbookError, match="OCTOGYM_STATE names another"),
    ):
        rack.keep_log("mine")


def test_the_doctor_finds_what_is_wrong_with_a_rack_file(tmp_path, capsys):
    keys = tmp_path / "keys"
    assert main(["keys", "--folder", str(keys), "new", "host"]) == 0
    assert main(["keys", "--folder", str(keys), "new", "cam-1"]) == 0
    assert main(["keys", "--folder", str(keys), "allow", "cam-1", str(keys / "cam-1.pub")]) == 0
    (keys / "cam-1.key").chmod(0o644)
    file = tmp_path / "rack.toml"
    file.write_text('scenario = "traffic-2"\nkeys = "keys"\n')
    capsys.readouterr()
    assert main(["rack", "doctor", str(file)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert any(line.startswith("wrong") and "cam-2" in line and "octogym keys allow cam-2 KEY" in line for line in out)
    assert any(line.startswith("wrong") and "key cam-1" in line and "644" in line for line in out)
    assert any(line.startswith("ok") and "cam-1 " in line and "SHA256:" in line for line in out)
    file.write_text('scenario = "traffic-2"\nlistn = "x"\n')
    assert main(["rack", "doctor", str(file)]) == 1
    assert "listn" in capsys.readouterr().out
