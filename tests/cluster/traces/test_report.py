"""The comparison of synthetic with measured traces."""

from __future__ import annotations

import json

import pytest

from octogym.cluster.traces import TraceSet, synthetic_set
from octogym.cluster.traces.report import as_json, as_markdown, compare


def test_a_set_does_not_differ_from_itself():
    traces = synthetic_set(0)
    lines = compare(traces, traces)
    assert {line.differs for line in lines} == {False}
    assert {line.group for line in lines} >= {"campus, persons at 15/s", "5G, moving, 1 Hz"}


def test_differences_are_marked():
    lines = compare(synthetic_set(0, "bursty"), synthetic_set(0))
    marked = {(line.group, line.figure) for line in lines if line.differs}
    assert ("campus, persons at 15/s", "variance / mean") in marked
    assert ("campus, persons at 15/s", "mean") not in marked
    text = as_markdown(lines)
    assert "### AI City, vehicles at 1/s" in text
    assert any("variance / mean" in line and line.endswith("| differs |") for line in text.splitlines())


def test_without_measured_traces_their_columns_are_empty():
    lines = compare(synthetic_set(0), None)
    assert {line.real for line in lines} == {None}
    assert {line.differs for line in lines} == {None}
    assert "| mean, objects | - | " in as_markdown(lines)


def test_only_common_names_and_times_are_compared():
    synthetic = synthetic_set(0)
    name = "5g/static-01"
    other = TraceSet(rates={name: synthetic.rates[name].cut(0, 100)})
    lines = {(line.group, line.figure): line for line in compare(synthetic, other)}
    assert lines["5G, static, 1 Hz", "mean"].differs is False
    assert ("campus, persons at 15/s", "mean") not in lines


def test_json_has_the_hashes():
    traces = synthetic_set(0)
    figures = json.loads(json.dumps(as_json(compare(traces, None), 0, None, traces)))
    assert figures["synthetic_sha256"] == traces.sha256
    assert figures["real_sha256"] is None
    assert {"group", "figure", "unit", "real", "synthetic", "differs"} <= set(figures["lines"][0])


@pytest.mark.data
def test_synthetic_traces_are_near_the_measured_ones(real):
    lines = compare(synthetic_set(0), real)
    means = [line for line in lines if line.figure == "mean"]
    assert len(means) == 5
    assert not any(line.differs for line in means)
    assert sum(bool(line.differs) for line in lines) <= len(lines) / 4
