"""Checks of settings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from octogym.cluster.errors import ScenarioError
from octogym.train.checkpoint import STATE_FILE
from octogym.train.settings import SettingError, number, one_of, run_folder, training_scenario, whole
from tests.cluster.small_scenario import VALID, write


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, None])
def test_a_whole_number(value):
    with pytest.raises(SettingError, match=rf"episodes = {value!r}; allowed: a whole number from 1"):
        whole(SimpleNamespace(episodes=value), "episodes")


@pytest.mark.parametrize("value", [0, -0.5, 1.5, float("nan"), float("inf"), "x", True])
def test_a_number(value):
    with pytest.raises(SettingError, match=r"clip = .*; allowed: a number above 0 to 1"):
        number(SimpleNamespace(clip=value), "clip", 0, 1, above=True)
    number(SimpleNamespace(clip=1), "clip", 0, 1, above=True)


def test_a_name():
    with pytest.raises(SettingError, match="method = 'dqn'; allowed: 'ippo' or 'mappo'"):
        one_of(SimpleNamespace(method="dqn"), "method", ("ippo", "mappo"))


def test_a_scenario_without_splits_is_taken_whole_for_training_only(tmp_path):
    file = write(tmp_path, VALID.replace("[splits.train]\npart = [0.0, 0.7]\n[splits.test]\npart = [0.7, 1.0]\n", ""))
    assert training_scenario(file, "train").name == "gate"
    with pytest.raises(ScenarioError, match="split"):
        training_scenario(file, "test")
    with pytest.raises(ScenarioError):
        training_scenario("traffic-3", "train")


def test_another_run_is_never_overwritten(tmp_path):
    assert run_folder(None, False) is None
    assert run_folder(tmp_path, False) == tmp_path
    (tmp_path / STATE_FILE).touch()
    assert run_folder(tmp_path, True) == tmp_path
    with pytest.raises(SettingError, match="resume=True goes on with the one that is there"):
        run_folder(tmp_path, False)
    with pytest.raises(SettingError, match="resume = True; allowed: False, or out=FOLDER"):
        run_folder(None, True)
