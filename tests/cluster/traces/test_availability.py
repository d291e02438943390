"""Tables of when devices are there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.availability import load_availability

S = 10**9
TEXT = "present_at_s,north,south\n10,1,1\n95,0,1\n140.5,1,1\n150,1,0\n490,1,0\n"


def test_a_row_is_in_force_until_the_next(write):
    series = load_availability(write("x.csv", TEXT), "churn/")
    assert list(series) == ["churn/north", "churn/south"]
    assert series["churn/north"].absent.tolist() == [[85 * S, 130_500_000_000]]
    assert series["churn/south"].absent.tolist() == [[140 * S, 480 * S]]
    assert series["churn/south"].duration_s == 480
    assert series["churn/south"].source.startswith("x.csv sha256:")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=1, max_size=20))
def test_samples_of_a_second_are_found_again(write, rows):
    text = "".join(f"{k},{int(a)},{int(b)}\n" for k, (a, b) in enumerate([*rows, rows[-1]]))
    series = load_availability(write("x.csv", "present_at_s,a,b\n" + text))
    found = [series[name].present(np.arange(len(rows)) * S).tolist() for name in "ab"]
    assert found == np.array(rows).T.tolist()


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("north,south", "north,north", 1, "stands twice"),
        ("north,south", "north,", 1, "expected 'present_at_s,DEVICE"),
        ("95,0,1", "95,0", 3, "2 columns, expected 3"),
        ("95,0,1", "95,0.5,1", 3, "north = '0.5', expected 1"),
        ("95,0,1", "95,,1", 3, "north = '', expected 1"),
        ("95,0,1", "10,0,1", 3, "expected later"),
        ("95,0,1", "1e20,0,1", 3, "expected 0 to 4000000000"),
        ("95,0,1", "nan,0,1", 3, "expected a finite number"),
        ("490,1,0", "490,1,1", 6, "south changes in the last row"),
        ("\n95,0,1\n140.5,1,1\n150,1,0\n490,1,0\n", "\n", 2, "at least two rows"),
        ("490,1,0\n", "490,1,0", 6, "truncated"),
    ],
)
def test_damage_is_named_with_its_line(write, old, new, line, what):
    path = write("x.csv", TEXT.replace(old, new))
    with pytest.raises(TraceError, match=what) as caught:
        load_availability(path)
    assert f"{path}:{line}" in str(caught.value) or f"line {line}" in str(caught.value)
