"""Training OctoCross: from loads to a file, whole or in pieces."""

from __future__ import annotations

import csv
import signal

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario
from octogym.cluster.tensor_file import TensorFileError
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import PRESETS, OctoCrossConfig
from octogym.scheduler.octocross.file import read_octocross
from octogym.scheduler.octocross.fit import Fit, FitSettings
from octogym.train.checkpoint import STATE_FILE
from octogym.train.octocross.training import HISTORY_FILE, OctoCrossTraining, train_octocross
from octogym.train.settings import SettingError

QUICK = FitSettings(steps=12, validate_every=4)


@pytest.fixture(scope="module")
def campus():
    return load_scenario("campus-8", traces=["synthetic"], split="train")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(PRESETS, "fast", OctoCrossConfig(history=12, horizon=6, width=16, blocks=1, heads=4))


def train(scenario, out, settings=QUICK, **more):
    return train_octocross(OctoCrossTraining(scenario, episodes=3, settings=settings, out=out, quiet=True, **more))


def test_a_training_leaves_a_model_and_its_history(campus, tmp_path):
    result = train(campus, tmp_path)
    assert not result.interrupted and result.steps == 12
    found = read_octocross(result.file)
    assert found.model.config == PRESETS["fast"]
    assert [name for name, _ in sorted(found.ids.known.items(), key=lambda item: item[1])] == [
        f"node0{k}" for k in range(1, 9)
    ]
    about = found.about
    assert about["scenario"] == "campus-8" and about["split"] == "train" and about["steps"] == 12
    assert about["settings"]["lr"] == QUICK.lr and about["synthetic_traces"] is True
    with (tmp_path / HISTORY_FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    validated = [float(row["validation"]) for row in rows if row["validation"] != "nan"]
    assert len(validated) == 3 and about["validation"] == pytest.approx(min(validated), rel=1e-4)
    assert np.isfinite(result.history["total"]).all()


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(campus, tmp_path):
    one, two, other = (train(campus, tmp_path / name, seed=seed).file for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(campus, tmp_path, monkeypatch):
    whole = train(campus, tmp_path / "whole")
    step, calls = Fit.step, []

    def counted(self):
        calls.append(0)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGTERM)
        return step(self)

    monkeypatch.setattr(Fit, "step", counted)
    stopped = train(campus, tmp_path / "parts")
    assert stopped.interrupted and stopped.steps == 5
    monkeypatch.setattr(Fit, "step", step)
    with pytest.raises(SettingError, match="resume=True"):
        train(campus, tmp_path / "parts")
    with pytest.raises(TensorFileError, match="another training"):
        train(campus, tmp_path / "parts", resume=True, seed=3)
    later = train(campus, tmp_path / "parts", resume=True)
    assert later.file.read_bytes() == whole.file.read_bytes()
    assert (tmp_path / "parts" / STATE_FILE).exists()
    assert all(np.array_equal(x, later.history[name], equal_nan=True) for name, x in whole.history.items())


def test_series_alone_are_learned_from(tmp_path):
    rows = ["Time,node1,node2"] + [f"{t},{5 + t // 10 % 7},{12 - t // 9 % 5}" for t in range(260)]
    (tmp_path / "counts.csv").write_text("\n".join(rows) + "\n")
    result = train(None, tmp_path / "run", series=[f"{tmp_path / 'counts.csv'}?rate_hz=1"])
    about = read_octocross(result.file).about
    assert about["scenario"] == "" and about["series"] == ["counts.csv?rate_hz=1"] and about["sites"] == ["counts"]
    assert set(result.ids.known) == {"counts/node1", "counts/node2"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"episodes": 0}, "episodes = 0"),
        ({"preset": "large"}, "preset = 'large'"),
        ({"seed": -1}, "seed = -1"),
        ({"board": True}, "board"),
        ({"resume": True}, "resume"),
    ],
)
def test_settings_that_cannot_be_are_refused(campus, wrong, message):
    with pytest.raises(SettingError, match=message):
        train_octocross(OctoCrossTraining(campus, quiet=True, **wrong))


def test_something_must_be_there_to_learn_from():
    with pytest.raises(SettingError, match="at least one, or a scenario"):
        train(None, None)
    with pytest.raises(SchedulerError, match="nothing to offload"):
        train(load_scenario("traffic-2", traces=["synthetic"]), None)
