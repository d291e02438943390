"""`octogym scenarios`, `octogym tune` and the command itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from octogym import __version__
from octogym.cli import main


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
    assert main(["scenarios", "traffic-2"]) == 0
    text = capsys.readouterr().out
    assert "SLO traffic 250 ms" in text and "cam-1/traffic.yolov5n: pack 1-2, batch 1-8" in text
    assert main(["scenarios", "traffic-2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["slo_ms"] == {"traffic": 250}


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
