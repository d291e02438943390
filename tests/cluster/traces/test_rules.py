"""The rules of contract section 8: duplicates, gaps, outages, ends, another rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import UNAVAILABLE, CountSeries, RateSeries, extend, resample
from octogym.cluster.traces.rules import (
    MAX_GAP_S,
    OUTAGE_BIT_PER_S,
    merge_duplicates,
    rate_series,
    regular_counts,
    trailing_zeros_unavailable,
    with_labels,
    without_repeats,
)

S = 10**9
RATE = st.integers(min_value=0, max_value=500_000_000)


def series(values, rate_hz=1.0, name="a", **labels):
    return CountSeries(name, rate_hz, {"car": np.array(values)}, "test", labels)


@given(st.lists(st.tuples(st.integers(0, 12), RATE), min_size=1, max_size=40))
def test_every_second_has_the_mean_of_its_stamp_or_holds_the_last(rows):
    rows = sorted([(0, 1_000_000), *rows], key=lambda row: row[0])
    result = rate_series("r", [t for t, _ in rows], [x for _, x in rows], "test")
    assert result.end_ns == (rows[-1][0] + 1) * S
    for second in range(rows[-1][0] + 1):
        stamp = max(t for t, _ in rows if t <= second)
        mean = np.mean([x for t, x in rows if t == stamp])
        rate = int(result.at(second * S))
        if rate == 0:
            assert mean < OUTAGE_BIT_PER_S
        else:
            assert rate >= OUTAGE_BIT_PER_S
            assert rate == pytest.approx(mean, abs=0.51)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_merge_duplicates_keeps_the_sum_per_stamp(stamps):
    values = np.arange(len(stamps), dtype=float)
    distinct, means = merge_duplicates(np.array(stamps), values)
    assert distinct.tolist() == sorted(set(stamps))
    for k, stamp in enumerate(distinct):
        assert means[k] == pytest.approx(np.mean(values[np.array(stamps) == stamp]))


def test_a_gap_of_15_s_is_held_and_a_longer_one_refused_or_an_outage():
    held = rate_series("r", [0, MAX_GAP_S], [10**6, 2 * 10**6], "test")
    assert int(held.at(14 * S)) == 10**6
    with pytest.raises(TraceError, match="gap of 16") as error:
        rate_series("r", [0, 16], [10**6, 10**6], "test", file="f.csv", lines=[2, 3])
    assert (error.value.file, error.value.line) == ("f.csv", 3)
    outage = rate_series("r", [0, 20, 21], [10**6, 2 * 10**6, 3 * 10**6], "test", long_gap="outage")
    assert outage.at(np.array([14, 15, 19, 20, 21]) * S).tolist() == [10**6, 0, 0, 2 * 10**6, 3 * 10**6]
    with pytest.raises(ValueError, match="long_gap"):
        rate_series("r", [0, 20], [1, 1], "test", long_gap="ignore")


@pytest.mark.parametrize(
    ("stamps", "rates", "line"),
    [
        ([0, 2, 1], [1e6, 1e6, 1e6], 4),
        ([0, float("nan")], [1e6, 1e6], 3),
        ([5, 6], [1e6, 1e6], 2),
        ([0, 1], [1e6, -1], 3),
        ([0, 1], [1e6, float("inf")], 3),
        ([0, 1], [1e6, float("nan")], 3),
    ],
)
def test_bad_measurements_are_refused_with_their_line(stamps, rates, line):
    with pytest.raises(TraceError) as error:
        rate_series("r", stamps, rates, "test", file="f", lines=range(2, 2 + len(stamps)))
    assert error.value.line == line


def test_no_rows_are_refused():
    with pytest.raises(TraceError, match="no rows"):
        rate_series("r", [], [], "test")


def test_counts_on_a_grid_average_hold_and_give_up():
    steps, values = np.array([0, 1, 1, 4]), np.array([[2], [4], [7], [1]])
    assert regular_counts("f", steps, values, 1.0)[:, 0].tolist() == [2, 6, 6, 6, 1]
    far = np.array([0, 16])
    with pytest.raises(TraceError, match="gap"):
        regular_counts("f", far, np.array([[3], [3]]), 1.0)
    rows = regular_counts("f", far, np.array([[3], [3]]), 1.0, long_gap="unavailable")[:, 0]
    assert rows.tolist() == [3] * 15 + [UNAVAILABLE, 3]
    assert len(regular_counts("f", np.array([0, 200]), np.array([[3], [3]]), 15.0)) == 201


def test_trailing_zeros():
    assert trailing_zeros_unavailable(np.array([0, 3, 0, 2, 0, 0])).tolist() == [0, 3, 0, 2, -1, -1]
    assert trailing_zeros_unavailable(np.array([0, 3])).tolist() == [0, 3]
    assert trailing_zeros_unavailable(np.array([0, 0])).tolist() == [-1, -1]


def test_without_repeats_drops_copies_and_recombinations():
    def stream(name, person, car):
        return CountSeries(name, 1, {"person": np.array(person), "car": np.array(car)}, "test")

    streams = [
        stream("a", [1, 2], [0, 0]),
        stream("b", [3, 4], [5, 6]),
        stream("c", [1, 2], [0, 0]),
        stream("d", [3, 4], [0, 0]),
    ]
    named = {one.name: one for one in streams}
    assert list(without_repeats(named)) == ["a", "b"]
    assert list(without_repeats(named, [streams[0]])) == ["b"]


def test_resample_takes_every_nth_of_frames_and_holds_seconds():
    assert resample(series([0, 1, 2, 3, 4], 30), 15).counts["car"].tolist() == [0, 2, 4]
    assert resample(series([7, 8], 1), 3).counts["car"].tolist() == [7, 7, 7, 8, 8, 8]
    assert resample(series(range(6), 15), 10).counts["car"].tolist() == [0, 1, 3, 4]
    same = series([1, 2])
    assert resample(same, 1.0) is same
    with pytest.raises(ValueError, match="rate_hz"):
        resample(same, 0)


@settings(deadline=None)
@given(
    st.lists(st.integers(-1, 40), min_size=1, max_size=50),
    st.sampled_from([1, 10, 15, 30]),
    st.sampled_from([1, 2, 10, 15, 30]),
)
def test_resampled_value_is_the_one_in_force_and_labels_follow(values, old, new):
    before = series(values, old, load=np.array(values))
    after = resample(before, new)
    for k, value in enumerate(after.counts["car"]):
        assert value == values[k * old // new]
    assert after.labels["load"].tolist() == after.counts["car"].tolist()
    assert abs(after.duration_s - before.duration_s) < 1 / new


def test_end_of_counts():
    short = series([1, 2, 3], load=np.array([4, 5, 6]))
    assert extend(short, 5, "unavailable").counts["car"].tolist() == [1, 2, 3, -1, -1]
    assert extend(short, 5, "unavailable").labels["load"].tolist() == [4, 5, 6, -1, -1]
    assert extend(short, 5, "loop", start_s=2).counts["car"].tolist() == [3, 1, 2, 3, 1]
    assert extend(short, 2, "error", start_s=1).counts["car"].tolist() == [2, 3]
    with pytest.raises(TraceError, match="ends after 3 s, but 4 s are needed"):
        extend(short, 4, "error")
    with pytest.raises(ValueError, match="unavailable, loop, error"):
        extend(short, 4, "hold")


def test_end_of_rates():
    short = RateSeries("r", [0, S], [5, 6], 2 * S, "test")
    assert extend(short, 4, "unavailable").at(np.arange(4) * S).tolist() == [5, 6, 0, 0]
    looped = extend(short, 4, "loop", start_s=1)
    assert looped.at(np.arange(4) * S).tolist() == [6, 5, 6, 5]
    assert looped.duration_s == 4
    with pytest.raises(TraceError, match="ends after"):
        extend(short, 3, "error")


def test_labels_must_fit():
    assert with_labels(series([1, 2]), "load", np.array([3, 4])).labels["load"].tolist() == [3, 4]
    with pytest.raises(TraceError, match="3 labels"):
        with_labels(series([1, 2]), "load", np.array([1, 2, 3]))
