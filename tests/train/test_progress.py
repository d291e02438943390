"""Bar and TensorBoard of training."""

from __future__ import annotations

import sys

import pytest

from octogym.cluster.errors import MissingExtra
from octogym.train.progress import Progress


def test_nothing_is_written_where_stderr_is_no_terminal(capsys):
    with Progress(3, "ippo") as progress:
        progress.advance(1, reward=0.5)
    assert capsys.readouterr().err == "" and progress.last == {"reward": 0.5}


def test_a_terminal_shows_reward_and_effective_throughput(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(3, "ippo", start=1) as progress:
        progress.advance(1, None, reward=0.5, effective_throughput=52.25, **{"loss/policy": 9.0})
    shown = capsys.readouterr().err
    assert "2/3" in shown and "reward=0.5" in shown and "effective_throughput=52.25" in shown and "loss" not in shown


def test_tensorboard_gets_every_figure(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Progress(2, "ippo", quiet=True, board=tmp_path, start=4) as progress:
        progress.advance(1, at=100, reward=0.5, **{"loss/policy": 2.0})
        progress.advance(1, None, reward=0.75)
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("reward")] == [(100, 0.5), (6, 0.75)]
    assert [e.value for e in events.Scalars("loss/policy")] == [2.0]


def test_a_missing_tensorboard_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r'pip install "octogym\[train\]"'):
        Progress(1, "ippo", board=tmp_path)
