"""Checkpoints that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.scheduler.octocross.file import read_octocross
from octogym.scheduler.octocross.shipped import SHIPPED, checkpoint_file


@pytest.mark.parametrize("name", SHIPPED)
def test_each_says_what_it_is_from(name: str) -> None:
    found = read_octocross(checkpoint_file(name))
    assert found.about["steps"] == 3000 and found.about["scenario"] == "campus-16" and found.ids.known


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checkpoint_file("campus") == SHIPPED["campus"] and checkpoint_file("other") == Path("other")
    (tmp_path / "campus").write_bytes(b"mine")
    assert checkpoint_file("campus") == Path("campus")


def test_it_serves_more_than_none() -> None:
    served = {}
    for name in ("none", "octocross:campus,published", "octocross:campus"):
        backend = make_backend("sim", load_scenario("campus-8", traces="synthetic", split="test"), num_envs=4)
        for window in Runner(backend, make_policy(name)).windows(60, seed=5):
            last = window.telemetry
        served[name] = float(last.total_on_time_results.sum() / last.total_generated.sum())
        backend.close()
    assert served["none"] < served["octocross:campus,published"] < served["octocross:campus"]
