"""What trainings learn from: sets by name, files, episodes."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.registry import load_scenario
from octogym.cluster.traces import find_data
from octogym.train.octocross.load_data import training_series
from octogym.train.settings import SettingError


def test_generated_sites_have_links_and_a_seed():
    sites = {one.name: one for one in training_series(None, 1, ["synthetic:1"], 8)}
    assert {"campus/s01", "aicity"} <= set(sites)
    s01 = sites["campus/s01"]
    assert s01.loads.shape == (490, 17) and len(np.unique(s01.link_rates[:, 0])) > 100
    other = {one.name: one for one in training_series(None, 1, ["synthetic:2"], 8)}["campus/s01"]
    assert not np.array_equal(s01.loads, other.loads)


def test_measured_sites_are_those_that_are_long_enough():
    if find_data() is None:
        pytest.skip("the measured traces are not here: set OCTOGYM_DATA to their folder")
    sites = {one.name: len(one) for one in training_series(None, 1, ["real"], 8)}
    assert sites == {"campus/s01": 490, "aicity": 430}


def test_episodes_come_before_series():
    scenario = load_scenario("campus-8", traces=["synthetic"], split="train")
    found = training_series(scenario, 2, ["synthetic"], 8)
    assert [one.name for one in found[:2]] == ["campus-8", "campus-8"] and len(found) > 2
    assert not np.array_equal(found[0].loads, found[1].loads)


def test_files_say_their_rate(tmp_path):
    file = tmp_path / "site.csv"
    file.write_text("Time,a,b\n" + "".join(f"{t},{t % 5},{t % 7}\n" for t in range(500)))
    (one,) = training_series(None, 1, [f"{file}?rate_hz=2"], 8)
    assert len(one) == 250 and one.nodes == ("site/a", "site/b", "server")
    for item, error, message in (
        (f"{file}?rate_hz=fast", SettingError, "rate_hz=NUMBER"),
        (f"{file}?rate_hz=10", SettingError, "at least 200 s"),
        (str(file), TraceError, "rows per second are not stated"),
        ("synthetic:last", SettingError, "synthetic:SEED"),
    ):
        with pytest.raises(error, match=message):
            training_series(None, 1, [item], 8)
