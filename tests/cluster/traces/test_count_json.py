"""Object counts as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.count_json import load_count_json, load_object_count, load_person_json

STREAMS = {
    "traffic1": {"person": [1, 0, 2], "car": [3, 3, 4]},
    "traffic7": {"person": [1, 0, 2], "car": [3, 3, 4]},
    "people2": {"person": [5, 5, 6], "car": [0, 0, 0]},
}


def test_streams_become_series(write):
    series = load_object_count(write("object_count.json", json.dumps(STREAMS)), "fcpo/")
    assert list(series) == ["fcpo/traffic1", "fcpo/traffic7", "fcpo/people2"]
    one = series["fcpo/traffic1"]
    assert one.rate_hz == 30
    assert one.counts["car"].tolist() == [3, 3, 4]
    assert one.source.startswith("object_count.json sha256:")


def test_repeats_are_dropped_on_request(write):
    path = write("object_count.json", json.dumps(STREAMS))
    assert list(load_object_count(path, repeats=False)) == ["traffic1", "people2"]


def test_persons_may_be_floats_and_tell_the_rate(write):
    path = write("s01_person.json", '{"node1": {"person": [9.0, 8.0]}}')
    assert load_person_json(path)["node1"].counts["person"].dtype == np.int16
    assert load_count_json(path)["node1"].rate_hz == 15
    assert load_count_json(write("o.json", json.dumps(STREAMS)))["people2"].rate_hz == 30


@pytest.mark.parametrize("bad", ["-1", "1.5", "40000", "true", "null", '"3"', "[1]", "1e400"])
def test_a_bad_count_is_refused_with_its_line(write, bad):
    path = write("x.json", '{"a": {"person": [1],\n "car": [\n1]},\n"b": {"person": [1],\n"car": [\n' + bad + "]}}")
    with pytest.raises(TraceError, match=r"b\.car\[0\]") as error:
        load_object_count(path)
    assert error.value.line == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "no stream"),
        ('{"a": 1}', "expected {class"),
        ('{"a": {}}', "expected {class"),
        ('{"a": {"person": []}}', "list of counts"),
        ('{"a": {"person": {"x": 1}}}', "list of counts"),
        ('{"a": {"person": [1], "car": [1, 2]}}', "unequal lengths"),
        ('{"bandwidth_limits": [{"time": 0, "mbps": 50}]}', "expected {class"),
        ('{"a": {"person": [1, 2', "truncated"),
    ],
)
def test_damaged_and_foreign_files_are_refused(write, text, words):
    with pytest.raises(TraceError, match=words) as error:
        load_object_count(write("x.json", text))
    assert error.value.line == 1


def test_no_prefix_of_a_file_loads(write):
    text = json.dumps(STREAMS)
    for length in range(1, len(text)):
        with pytest.raises(TraceError):
            load_object_count(write("cut.json", text[:length]))
