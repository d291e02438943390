"""`octogym data`."""

from __future__ import annotations

import argparse
import json

import pytest

from octogym.cli import data
from octogym.cli.data import sparkline
from octogym.cluster.errors import OctoGymError, TraceError


@pytest.fixture
def octogym(monkeypatch, tmp_path):
    """Runs `octogym data ...` where no measured traces are; returns the exit code."""
    monkeypatch.delenv("OCTOGYM_DATA", raising=False)
    monkeypatch.setattr("octogym.cli.data.find_data", lambda: None)

    def run(*arguments):
        parser = argparse.ArgumentParser()
        data.add_parser(parser.add_subparsers())
        options = parser.parse_args(["data", *map(str, arguments)])
        return options.run(options)

    return run


def test_list_says_that_it_is_synthetic(octogym, capsys):
    assert octogym("list") == 0
    text = capsys.readouterr().out
    assert "103 traces, synthetic, seed 0, typical (no measured traces found; `octogym data fetch` brings them)" in text
    assert "campus/s01/node1 " in text


def test_show_a_camera_and_a_link(octogym, capsys):
    assert octogym("show", "campus/s01/node2", "--seed", 3) == 0
    text = capsys.readouterr().out
    assert "most alike" in text
    assert "490.8 s at 15/s" in text
    assert "█" in text
    assert octogym("show", "5g/moving-11") == 0
    assert "outage mean, longest" in capsys.readouterr().out


def test_show_when_a_device_is_there(octogym, capsys, tmp_path):
    trace = tmp_path / "churn.csv"
    trace.write_text("present_at_s,north\n0,1\n10,0\n35,1\n100,1\n")
    assert octogym("show", trace) == 0
    text = capsys.readouterr().out
    assert "churn/north (from a file)" in text
    assert "75.0 %" in text
    assert "25.0 s, 25.0 s" in text


def test_show_a_file_and_plot_it(octogym, capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need octogym[plot]")
    trace = tmp_path / "mine.json"
    trace.write_text('{"a": {"person": [1, 2, 3]}, "b": {"person": [0, 0, 0]}}')
    assert octogym("show", trace, "--plot", tmp_path / "mine.png") == 0
    text = capsys.readouterr().out
    assert "mine/a (from a file)" in text
    assert "none (constant)" in text
    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")


def test_rows_per_second_can_be_given(octogym, capsys, tmp_path):
    trace = tmp_path / "factory.csv"
    trace.write_text("Time,node1\n0,1\n1,2\n")
    with pytest.raises(TraceError, match="rate_hz"):
        octogym("show", trace)
    assert octogym("show", trace, "--rate-hz", 15) == 0
    assert "at 15/s" in capsys.readouterr().out


def test_unknown_names_and_places_are_errors(octogym, tmp_path):
    with pytest.raises(TraceError, match="nearest: campus/s01/node"):
        octogym("show", "campus/s01/node99")
    with pytest.raises(OctoGymError, match="No such file or directory"):
        octogym("report", "--json", tmp_path / "nowhere" / "x.json")
    with pytest.raises(OctoGymError, match="seed"):
        octogym("list", "--seed", -1)


def test_report(octogym, capsys, tmp_path):
    assert octogym("report", "--json", tmp_path / "report.json") == 0
    assert "### 5G, moving, 1 Hz" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["real_sha256"] is None


@pytest.mark.data
def test_fetch_from_a_mirror(octogym, capsys, monkeypatch, tmp_path):
    from octogym.cluster.traces import find_data

    mirror = find_data()
    if mirror is None:
        pytest.skip("the measured traces are not here: set OCTOGYM_DATA to their folder")
    monkeypatch.setenv("OCTOGYM_DATA", str(mirror))
    assert octogym("fetch", "--dest", tmp_path / "here") == 0
    text = capsys.readouterr().out
    assert "36 ok, 0 missing, 0 differs" in text
    assert f"export OCTOGYM_DATA={tmp_path / 'here'}" in text


def test_sparkline():
    assert sparkline([0.0, 1.0, 2.0, 4.0]) == "▁▃▅█"
    assert sparkline([1.0, float("nan")]) == "█·"
    assert sparkline([0.0] * 200) == "▁" * 72
