"""The benchmarks of OctoCross: their arithmetic, and that quick runs leave what the summary page reads."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks._octocross.trained import Lesson
from benchmarks._study.kept import once
from benchmarks.octocross import summary, table2
from benchmarks.octocross.churn import coming_and_going
from benchmarks.octocross.convergence import converged, hundred
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner


def test_an_interrupted_training_is_asked_again(tmp_path: Path) -> None:
    asked = []
    for interrupted in (True, False):
        tmp_path.mkdir(exist_ok=True)
        try:
            once(tmp_path, lambda interrupted=interrupted: bool(asked.append(1)) or interrupted)
        except KeyboardInterrupt:
            assert interrupted
    once(tmp_path, lambda: pytest.fail("it was finished"))
    assert len(asked) == 2


def test_converged_is_near_the_end_of_the_fall() -> None:
    assert converged([1.0, 0.5, 0.2, 0.04, 0.0, 0.01]) == 3
    assert converged([1.0, 0.0]) == 1


def test_a_hundred_nodes_are_shifted_copies() -> None:
    one = hundred(8)
    assert one.loads.shape[1] == 101 and one.servers.sum() == 1
    assert all(one.loads[:, n].any() for n in range(16))
    assert len({one.loads[:, n].tobytes() for n in range(100)}) > 90


def test_devices_come_and_go_as_said() -> None:
    scenario = coming_and_going(load_scenario("campus-16", traces="synthetic", split="test"))
    backend = make_backend("sim", scenario)
    there = [int(w.telemetry.present[0].sum()) for w in Runner(backend, make_policy("none")).windows(125)]
    backend.close()
    assert [there[k] for k in (10, 50, 90, 120)] == [9, 13, 17, 13]  # and the server


def test_every_policy_of_the_table_has_a_name() -> None:
    made = table2.policies("campus", "campus-8", Lesson(), 3)
    assert list(made) == list(table2.ORDER) and made["none"](0) == "none"


def test_claims_are_ratios_on_the_same_workloads() -> None:
    better = {"effective_throughput": [2.0, 4.0], "latency_mean_s": [0.1, 0.2]}
    worse = {"effective_throughput": [1.0, 1.0], "latency_mean_s": [0.2, 0.2]}
    assert table2.ratio(better, worse, "effective_throughput") == [2.0, 4.0]
    assert table2.share_of({"generated": [4.0, 4.0]}, [3.0, 1.0]) == pytest.approx(0.5)


def run(name: str, folder: Path) -> dict:
    file = folder / f"{name}.json"
    assert importlib.import_module(f"benchmarks.octocross.{name}").main(["--quick", "--json", str(file)]) == 0
    assert file.with_suffix(".png").stat().st_size > 1000
    content = json.loads(file.read_text())
    assert content["quick"] and content["verdicts"] and content["tables"]
    return content


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # what is kept stands in runs/
    return tmp_path


def test_a_quick_run_leaves_figures_plot_and_claims(in_folder: Path) -> None:
    content = run("forecast", in_folder)
    assert all(np.isfinite(one["persistence"]).all() for one in content["results"].values())
    assert summary.main([str(in_folder)]) == 0
    page = (in_folder / "README.md").read_text()
    assert "better than persistence" in page and "no evidence" in page and "Not measured: table2" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table2", "rule", "churn", "convergence", "rack"])
def test_every_benchmark_runs(name: str, in_folder: Path) -> None:
    run(name, in_folder)
