"""The benchmarks of FCPO: their arithmetic, and that a quick run leaves what the summary page reads."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks._fcpo import trained
from benchmarks._fcpo.curves import blocks_to, smooth
from benchmarks._study.report import apart, difference
from benchmarks.fcpo import summary


def test_a_curve_is_there_when_it_has_made_its_way() -> None:
    rising = np.minimum(np.arange(40.0), 20.0)[None]
    # The mean over five blocks is first at 19 of 20 when the curve itself has been at 20 for a while.
    assert blocks_to(rising)[0] == 23
    assert np.isnan(blocks_to(-rising)[0])
    assert np.allclose(smooth(np.array([1.0, 3.0, 5.0]), 2), [1.0, 2.0, 4.0])


def test_intervals_that_touch_are_not_apart() -> None:
    low, high = [1.0, 1.1, 0.9], [2.0, 2.1, 1.9]
    assert apart(high, low) and not apart(low, high) and not apart([1.2, 1.3, 1.1], low)
    assert difference(high, low).startswith("+1.0")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(trained, "FOLDER", tmp_path / "runs")
    return tmp_path


def run(name: str, folder: Path) -> dict:
    file = folder / f"{name}.json"
    assert importlib.import_module(f"benchmarks.fcpo.{name}").main(["--quick", "--json", str(file)]) == 0
    assert file.with_suffix(".png").stat().st_size > 1000
    content = json.loads(file.read_text())
    assert content["quick"] and content["verdicts"]
    return content


def test_a_quick_run_leaves_figures_plot_and_claims(in_folder: Path) -> None:
    content = run("federation", in_folder)
    assert {"1 pipeline (off)", "2 pipelines"} <= set(content["results"])
    assert summary.main([str(in_folder)]) == 0
    page = (in_folder / "README.md").read_text()
    assert "faster convergence" in page and "no evidence" in page and "Not measured: rivals" in page


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["warm_start", "continual", "ablation", "plus", "rivals"])
def test_every_benchmark_runs(name: str, in_folder: Path) -> None:
    run(name, in_folder)


def test_no_results_is_said(tmp_path: Path, capsys) -> None:
    assert summary.main([str(tmp_path)]) == 2 and "no results" in capsys.readouterr().err
