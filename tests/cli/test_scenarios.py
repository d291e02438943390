"""`octogym scenarios`, `octogym tune` and the command itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from octogym import __version__
from octogym.cli import headroom, main
from octogym.cluster.registry import load_scenario


def test_every_scenario_is_listed_with_its_size(capsys):
    assert main(["scenarios", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["fcpo-testbed"]["devices"] == 13 and rows["fcpo-testbed"]["cameras"] == 20
    assert {"traffic-2", "campus-16", "city-26", "scale-16"} <= set(rows)
    assert main(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(
        any(line.startswith(name) and row["description"] in line for line in lines) for name, row in rows.items()
    )


def test_one_scenario_is_described(capsys):
    slo_ms = load_scenario("traffic-2").cluster.slo_ns["traffic"] / 1e6
    assert main(["scenarios", "traffic-2"]) == 0
    text = capsys.readouterr().out
    assert f"SLO traffic {slo_ms:g} ms" in text and "cam-1/traffic.yolov5n: pack 1-2, batch 1-8" in text
    assert main(["scenarios", "traffic-2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["slo_ms"] == {"traffic": slo_ms}


FIGURE = {"on_time_share": {"mean": 0.81}}
ROW = {"headroom": True, "tuned_static": FIGURE, "hindsight": FIGURE, "traces": "real", "seeds": [0], "horizon_s": 9}


@pytest.fixture
def published(tmp_path, monkeypatch):
    monkeypatch.setattr(headroom, "_file", lambda: tmp_path / "headroom.json")
    headroom.publish([{"scenario": "traffic-2", **ROW}, {"scenario": "campus-8", "error": "no traces"}])


def test_headroom_that_was_measured_is_shown(published, capsys):
    assert main(["scenarios"]) == 0
    text = capsys.readouterr().out
    assert "headroom: tuned static 81.0 %, best in hindsight 81.0 % on time (real traces)" in text
    assert text.count("headroom:") == 1
    assert headroom.stated_headroom(load_scenario("traffic-2", traces="synthetic")) != ""


@pytest.mark.parametrize("change", [{"slo_ms": 150}, {"cameras.crossing-1.fps": 5}, {"programme.crowds.count": 2}])
def test_headroom_of_another_scenario_is_not(published, change):
    assert headroom.stated_headroom(load_scenario("traffic-2", change)) == ""


def test_headroom_is_published_scenario_by_scenario(published):
    headroom.publish([{"scenario": "city-8", **ROW, "headroom": False}])
    assert headroom.stated_headroom(load_scenario("city-8")).startswith("none: tuned static")
    assert headroom.stated_headroom(load_scenario("traffic-2")) != ""


def test_tune_writes_settings_and_says_what_they_reach(tmp_path, capsys):
    file = tmp_path / "tuned.json"
    command = [
        "tune",
        "traffic-2",
        "--traces",
        "synthetic",
        "--seed",
        "0",
        "--horizon",
        "10",
        "--sweeps",
        "1",
        "--out",
        str(file),
    ]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "on time on training seeds" in text and "rtx3090-server/traffic.carbrand: pack 1, batch" in text
    stamp = file.stat().st_mtime_ns
    assert main(command) == 0 and file.stat().st_mtime_ns == stamp
    assert main([*command, "--again"]) == 0 and file.stat().st_mtime_ns != stamp


@pytest.mark.parametrize("arguments", [["--sweeps", "0"], ["--horizon", "0"], ["--seed", "x"]])
def test_tune_refuses_what_it_cannot_do(arguments, tmp_path, capsys):
    assert main(["tune", "traffic-2", "--out", str(tmp_path / "x.json"), *arguments]) == 2
    assert capsys.readouterr().err.startswith("octogym: error: --")


def test_the_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "octogym.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"octogym {__version__}"
