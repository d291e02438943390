"""Windows, chronological splits, and how hard the measured series are."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.traces.node_csv import load_aicity
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.windows import chronological, history_at, persistence_error, windows

SERIES = np.stack([np.arange(20), 100 + np.arange(20)], axis=1)


def test_a_window_ends_before_t_and_aims_from_t_on():
    found = windows(SERIES, np.array([5, 9]), history=3, horizon=2)
    assert found.history[0].tolist() == [[2, 3, 4], [102, 103, 104]]
    assert found.future[1].tolist() == [[9, 10], [109, 110]]
    assert np.array_equal(history_at(SERIES, 5, 3), found.history[0])


def test_before_the_start_the_first_value_holds():
    assert windows(SERIES, np.array([2]), 4, 1).history[0].tolist() == [[0, 0, 0, 1], [100, 100, 100, 101]]
    assert history_at(SERIES, 20, 2).tolist() == [[18, 19], [118, 119]]


@pytest.mark.parametrize("time", [0, 19])
def test_windows_outside_the_series_are_refused(time):
    with pytest.raises(SchedulerError, match="expected 1 to 18"):
        windows(SERIES, np.array([time]), 3, 2)
    with pytest.raises(SchedulerError, match="expected 1 to 20"):
        history_at(SERIES, 21 * (time > 0), 3)


def test_parts_follow_in_time_and_share_no_target():
    split = chronological(100, horizon=8)
    assert (split.train[0], split.train[-1] + 8) == (1, 70)
    assert (split.validation[0], split.validation[-1] + 8) == (70, 80)
    assert (split.test[0], split.test[-1] + 8) == (80, 100)


def test_splits_that_cannot_be_are_refused():
    with pytest.raises(SchedulerError, match="sum to 1"):
        chronological(100, 8, (0.5, 0.1, 0.1))
    with pytest.raises(SchedulerError, match="shorter"):
        chronological(50, 8)


def test_persistence_is_wrong_by_the_trend():
    assert persistence_error(SERIES, 3).tolist() == [1, 4, 9]
    available = np.ones(SERIES.shape, bool)
    available[:, 1] = False
    jump = np.where(available, SERIES, -1000 * np.arange(20)[:, None])
    assert persistence_error(jump, 3, available).tolist() == [1, 4, 9]
    with pytest.raises(SchedulerError, match="horizon"):
        persistence_error(SERIES, 20)


@pytest.mark.data
def test_published_difficulty_of_the_campus(campus):
    error = persistence_error(campus[14::15], 32)  # the last frame of each second, as the authors count
    assert [round(error[h - 1], 2) for h in (1, 8, 32)] == [0.40, 3.88, 10.28]
    assert round(error[:8].mean(), 2) == 2.09


@pytest.mark.data
def test_published_difficulty_of_the_city(data_folder):
    series = load_aicity(data_folder / "aicity" / "AIcity.csv")
    loads = np.stack([np.where(one.available, one.total(), 0) for one in series.values()], axis=1)
    error = persistence_error(loads, 32)
    assert [round(error[h - 1], 2) for h in (1, 32)] == [1.43, 14.13]
    assert error[7] == pytest.approx(5.90, abs=0.006) and error[:8].mean() == pytest.approx(3.95, abs=0.006)
