"""benchmarks/headroom.py: what it measures, prints, keeps and takes up again."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import headroom
from benchmarks._headroom import study
from benchmarks._headroom.bounds import bounds
from benchmarks._headroom.report import Store, line, summary
from benchmarks._headroom.study import Study, lacking
from octogym.agents.tuning import Budget
from octogym.cluster.errors import TraceError
from octogym.cluster.names import scenario_files
from octogym.cluster.registry import load_scenario

TINY = Budget((0,), 5.0, 1)


@pytest.fixture
def synthetic(monkeypatch):
    """Scenarios on synthetic traces, a search of moments."""
    monkeypatch.setattr(study, "on_split", lambda name, split: load_scenario(name, traces="synthetic", split=split))
    monkeypatch.setattr(headroom, "QUICK", TINY)


@pytest.mark.parametrize(
    ("static", "best", "reason"),
    [
        (0.80, 0.86, ""),
        (0.70, 0.76, ""),
        (0.92, 0.98, ""),
        (0.69, 0.80, "tuned static 69.0% is below"),
        (0.93, 0.99, "tuned static 93.0% is above"),
        (0.80, 0.845, "hindsight gains 4.49 points, less than 5"),
        (0.80, 0.84999, "hindsight gains 4.99 points, less than 5"),
        (0.30, 0.315, "below 70% to 92%; hindsight gains 1."),
    ],
)
def test_what_is_missing_is_said(static, best, reason):
    assert reason in lacking(static, best) and bool(reason) == bool(lacking(static, best))


def test_bounds_are_what_devices_sustain_alone_and_together():
    campus = load_scenario("campus-8", traces="synthetic", split="test")
    found = bounds(campus, range(2), 10)
    assert found is not None and 0 < found["local"] <= found["pooled"] <= found["with_servers"] <= 1
    quiet = load_scenario("campus-8", {"programme.load": 0.001}, traces="synthetic", split="test")
    assert bounds(quiet, range(1), 5) == {"local": 1, "pooled": 1, "with_servers": 1}
    assert bounds(load_scenario("traffic-2", traces="synthetic"), range(1), 5) is None


def test_overload_of_one_device_counts_locally_and_not_in_the_pool():
    loud = {"programme.load": 1, "cameras.camera01.load": 40.0}
    loud.update({f"cameras.camera0{k}.load": 0.0 for k in range(2, 9)})
    campus = load_scenario("campus-8", loud, traces="synthetic", split="test")
    found = bounds(campus, range(1), 10)
    assert found is not None and found["local"] < found["pooled"]


def test_a_row_holds_the_figures_of_all_policies(synthetic):
    told = []
    row = Study("campus-8", 2, 6, TINY).run(told.append)
    assert row["scenario"] == "campus-8" and row["traces"] == "synthetic" and row["seeds"] == [1000, 1001]
    for policy in ("common_batch", "tuned_static", "rate_rule", "hindsight"):
        by_seed = row[policy]["on_time_share"]["by_seed"]
        assert len(by_seed) == 2 and row[policy]["on_time_share"]["mean"] == pytest.approx(np.mean(by_seed))
    assert row["gain"] == row["hindsight"]["on_time_share"]["mean"] - row["tuned_static"]["on_time_share"]["mean"]
    assert row["headroom"] == (row["reason"] == "")
    assert row["shares"] and row["bounds"]["pooled"] <= 1
    assert any("shares" in what for what in told) and "hindsight" in told
    json.dumps(row)


def test_it_prints_keeps_and_takes_up_again(synthetic, tmp_path, capsys, monkeypatch):
    file = tmp_path / "rows.json"
    arguments = ["traffic-2", "--quick", "--json", str(file)]
    assert headroom.main(arguments) == 0
    out = capsys.readouterr().out
    assert "hindsight" in out.splitlines()[2] and out.splitlines()[3].startswith("traffic-2 ")
    rows = json.loads(file.read_text())
    assert [row["scenario"] for row in rows] == ["traffic-2"]
    assert summary(rows) in out and line(rows[0]) in out

    def never(self, tell):
        raise AssertionError("measured again")

    monkeypatch.setattr(Study, "run", never)
    assert headroom.main([*arguments, "--resume"]) == 0
    assert line(rows[0]) in capsys.readouterr().out
    # Another horizon is another measurement.
    monkeypatch.setattr(headroom, "QUICK", Budget((1,), 5.0, 1))
    with pytest.raises(AssertionError, match="measured again"):
        headroom.main([*arguments, "--resume"])


def test_an_interruption_keeps_what_is_finished(synthetic, tmp_path, capsys, monkeypatch):
    file = tmp_path / "rows.json"
    measured = []

    def run(self, tell):
        if self.name == "campus-8":
            raise KeyboardInterrupt
        measured.append(self.name)
        return {**ROW, "scenario": self.name, "identity": self.identity}

    monkeypatch.setattr(Study, "run", run)
    arguments = ["traffic-2", "campus-8", "city-8", "--quick", "--json", str(file)]
    assert headroom.main(arguments) == 130
    assert "go on with --resume" in capsys.readouterr().err
    assert [row["scenario"] for row in json.loads(file.read_text())] == ["traffic-2"]
    monkeypatch.setattr(Study, "run", lambda self, tell: run(self, tell) if self.name != "campus-8" else {**ROW})
    assert headroom.main([*arguments, "--resume"]) == 0
    assert measured == ["traffic-2", "city-8"]


def test_a_scenario_that_fails_is_said_and_the_others_go_on(synthetic, tmp_path, capsys, monkeypatch):
    def run(self, tell):
        if self.name == "campus-8":
            raise TraceError("rates.csv", 2, "damaged")
        return {**ROW, "scenario": self.name, "identity": self.identity}

    monkeypatch.setattr(Study, "run", run)
    assert headroom.main(["campus-8", "traffic-2", "--quick", "--json", str(tmp_path / "x.json")]) == 1
    out = capsys.readouterr().out
    assert "campus-8         failed: " in out and "rates.csv" in out and "0 of 2 scenarios" in out


def test_every_shipped_scenario_is_measured_unless_some_are_named():
    assert headroom._options([]).scenarios == list(scenario_files())
    assert headroom._options(["city-8"]).scenarios == ["city-8"]


@pytest.mark.parametrize("arguments", [["--resume"], ["--seeds", "0"], ["--horizon", "0"]])
def test_options_that_cannot_be_are_refused(arguments):
    with pytest.raises(SystemExit):
        headroom.main(arguments)


@pytest.mark.parametrize("content", ["{", "3", '[{"name": 1}]'])
def test_a_file_of_something_else_is_not_overwritten(tmp_path, capsys, content):
    file = tmp_path / "rows.json"
    file.write_text(content)
    assert headroom.main(["traffic-2", "--quick", "--json", str(file)]) == 2
    assert "no list of rows" in capsys.readouterr().err and file.read_text() == content


def test_rows_of_other_scenarios_stay(tmp_path):
    file = tmp_path / "rows.json"
    Store(file, False, ["a"]).add({"scenario": "a", "identity": "1"})
    store = Store(file, False, ["b"])
    store.add({"scenario": "b", "identity": "2"})
    assert [row["scenario"] for row in json.loads(file.read_text())] == ["a", "b"]
    assert Store(file, True, ["a"]).finished("a", "1") and not Store(file, True, ["a"]).finished("a", "2")
    assert not Store(file, False, ["a"]).finished("a", "1")


FIGURE = {"mean": 0.8, "by_seed": [0.8]}
POLICY = dict.fromkeys(study.FIGURES, FIGURE)
ROW = {
    "scenario": "campus-8",
    "identity": "x",
    "traces": "synthetic",
    "bounds": None,
    "gain": 0.0,
    "headroom": False,
    "reason": "hindsight gains 0.00 points, less than 5",
    **dict.fromkeys(("common_batch", "tuned_static", "rate_rule", "hindsight"), POLICY),
}
