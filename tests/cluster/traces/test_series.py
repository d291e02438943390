"""Series hold only what is valid, never change, and can be cut."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import UNAVAILABLE, AvailabilitySeries, CountSeries, RateSeries

S = 10**9


def counts(person=(1, 2, 3, 4), rate_hz=2.0, **labels):
    return CountSeries("a", rate_hz, {"person": np.array(person)}, "test", labels)


def rates(t_s=(0, 1, 3), bit_per_s=(10, 0, 30), end_s=4):
    return RateSeries("r", np.array(t_s) * S, np.array(bit_per_s), end_s * S, "test")


def test_counts_are_int16_and_read_only():
    series = counts([1.0, 2.0])
    assert series.counts["person"].dtype == np.int16
    assert series.duration_s == 1.0
    with pytest.raises(ValueError, match="read-only"):
        series.counts["person"][0] = 5


def test_total_adds_classes_and_keeps_unavailable():
    series = CountSeries("a", 1, {"person": np.array([1, -1, 2]), "car": np.array([3, -1, 0])}, "test")
    assert series.total().tolist() == [4, UNAVAILABLE, 2]
    assert series.available.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "bad",
    [
        {"person": []},
        {"person": [1, -2]},
        {"person": [1.5]},
        {"person": [float("nan")]},
        {"person": [40_000]},
        {"person": [[1], [2]]},
        {"person": [True, False]},
        {"rate_hz": 0.0},
        {"rate_hz": float("inf")},
        {"label": np.array([1, 2])},
    ],
)
def test_bad_counts_are_refused(bad):
    with pytest.raises(TraceError):
        counts(**bad)


def test_classes_must_agree():
    with pytest.raises(TraceError, match="lengths"):
        CountSeries("a", 1, {"person": np.array([1]), "car": np.array([1, 2])}, "test")
    with pytest.raises(TraceError, match="unavailable at other samples"):
        CountSeries("a", 1, {"person": np.array([1, -1]), "car": np.array([1, 2])}, "test")
    with pytest.raises(TraceError, match="no class"):
        CountSeries("a", 1, {}, "test")


def test_cut_of_counts_takes_labels_along():
    series = counts([1, 2, 3, 4], 2.0, load=np.array([5, 6, 7, 8])).cut(0.5, 1.5)
    assert series.counts["person"].tolist() == [2, 3]
    assert series.labels["load"].tolist() == [6, 7]
    with pytest.raises(TraceError, match="nothing between"):
        counts().cut(5, 6)


def test_rate_at_is_the_piece_in_force():
    series = rates()
    assert series.at(np.array([0, S - 1, S, 3 * S, 4 * S - 1])).tolist() == [10, 10, 0, 30, 30]
    assert int(series.at(2 * S)) == 0
    assert series.pieces_ns.tolist() == [S, 2 * S, S]
    assert series.mean_bit_per_s == pytest.approx(10)
    for outside in (-1, 4 * S):
        with pytest.raises(TraceError):
            series.at(outside)


@pytest.mark.parametrize(
    "bad",
    [
        {"t_s": (1, 2, 3)},
        {"t_s": (0, 2, 2)},
        {"t_s": (0, 2, 1)},
        {"bit_per_s": (1, 2, -3)},
        {"bit_per_s": (1, 2)},
        {"bit_per_s": (1, 2, 0.5)},
        {"end_s": 3},
        {"t_s": (), "bit_per_s": ()},
    ],
)
def test_bad_rates_are_refused(bad):
    with pytest.raises(TraceError):
        rates(**bad)


def test_cut_of_rates_begins_inside_a_piece():
    series = rates().cut(0.5, 3.5)
    assert series.t_ns.tolist() == [0, S // 2, 5 * S // 2]
    assert series.bit_per_s.tolist() == [10, 0, 30]
    assert series.duration_s == 3.0


def test_presence():
    series = AvailabilitySeries("d", np.array([[1, 2], [4, 6]]) * S, 8 * S, "test")
    assert series.present(np.array([0, 1, 2, 3, 5, 6]) * S).tolist() == [True, False, True, True, False, True]
    assert series.cut(1.5, 5).absent.tolist() == [[0, S // 2], [5 * S // 2, 7 * S // 2]]
    assert series.cut(1.5, 5).duration_s == 3.5
    assert series.present_share == 5 / 8
    assert AvailabilitySeries("d", np.empty((0, 2)), S, "test").present(0)


def test_presence_outside_of_the_series_is_refused():
    with pytest.raises(TraceError, match="nothing between"):
        AvailabilitySeries("d", np.empty((0, 2)), S, "test").cut(1, 2)
    with pytest.raises(TraceError, match="end_ns"):
        AvailabilitySeries("d", np.array([[1, 2]]) * S, S, "test")


@pytest.mark.parametrize("absent", [[[2, 1]], [[1, 2], [2, 3]], [[-1, 2]], [[1, 2, 3]], [1, 2]])
def test_bad_absences_are_refused(absent):
    with pytest.raises(TraceError):
        AvailabilitySeries("d", np.array(absent), 9, "test")
