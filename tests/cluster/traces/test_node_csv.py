"""Counts and labels per node as CSV."""

from __future__ import annotations

import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.node_csv import load_aicity, load_labels, load_node_csv

CITY = "Time(s),node1,node2,node3\n0,1,5,1\n1,0,0,0\n2,3,0,3\n3,0,0,0\n"


def test_aicity_drops_repeats_and_ends_streams(write):
    series = load_aicity(write("AIcity.csv", CITY), "aicity/")
    assert list(series) == ["aicity/node1", "aicity/node2"]
    assert series["aicity/node1"].counts["car"].tolist() == [1, 0, 3, -1]
    assert series["aicity/node2"].counts["car"].tolist() == [5, -1, -1, -1]
    assert list(load_aicity(write("AIcity.csv", CITY), repeats=True)) == ["node1", "node2", "node3"]


def test_counts_as_they_are(write):
    series = load_node_csv(write("factory.csv", CITY.replace("(s)", "")), "person", 1.0)
    assert series["node2"].counts["person"].tolist() == [5, 0, 0, 0]


def test_labels_may_be_floats(write):
    labels = load_labels(write("gt.csv", "Time,node1,node2\n0,10.0,10\n1,9,3.0\n"), 15)
    assert labels["node1"].tolist() == [10, 9]
    assert labels["node2"].tolist() == [10, 3]


def test_duplicates_and_gaps_follow_the_rules(write):
    path = write("x.csv", "Time,node1\n0,2\n1,4\n1,6\n3,1\n")
    assert load_node_csv(path, "car", 1.0)["node1"].counts["car"].tolist() == [2, 5, 5, 1]
    path = write("x.csv", "Time,node1\n0,2\n40,4\n")
    with pytest.raises(TraceError, match="gap of 40") as error:
        load_node_csv(path, "car", 1.0)
    assert error.value.line == 3
    assert load_node_csv(path, "car", 1.0, long_gap="unavailable")["node1"].available.sum() == 16


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Zeit,node1\n0,1\n", 1),
        ("Time\n0\n", 1),
        ("Time,a,a\n0,1,1\n", 1),
        ("Time,a,\n0,1,1\n", 1),
        ("Time,a,b\n0,1,1\n1,1\n", 3),
        ("Time,a,b\n0,1,1\n1,1,1,1\n", 3),
        ("Time,a\n0,-1\n", 2),
        ("Time,a\n0,nan\n", 2),
        ("Time,a\n0,1.5\n", 2),
        ("Time,a\n0,x\n", 2),
        ("Time,a\n0,\n", 2),
        ("Time,a\n0.5,1\n", 2),
        ("Time,a\n0,1\n2,1\n1,1\n", 4),
        ("Time,a\n3,1\n", 2),
        ("Time,a\n0,1\n1,1", 3),
        ("Time,a\n", None),
    ],
)
def test_damaged_files_are_refused_with_their_line(write, text, line):
    path = write("x.csv", text)
    for load in (lambda: load_node_csv(path, "car", 1.0), lambda: load_labels(path, 1.0)):
        with pytest.raises(TraceError) as error:
            load()
        assert error.value.line == line
        assert error.value.file.endswith("x.csv")
