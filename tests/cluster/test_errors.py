"""Errors read well and survive a trip to another process."""

from __future__ import annotations

import pickle

import pytest

from octogym.cluster.errors import MissingExtra, OctoGymError, ScenarioError, TraceError

ERRORS = [
    (
        ScenarioError("a.toml", "devices[0].type", "nx", ["agx", "orin"]),
        "a.toml: devices[0].type = 'nx': expected one of agx, orin",
    ),
    (ScenarioError("a.toml", "fps", -1, "a positive number"), "a.toml: fps = -1: expected a positive number"),
    (TraceError("x.csv", 3, "2 columns"), "x.csv, line 3: 2 columns"),
    (TraceError("x.csv", None, "is empty"), "x.csv: is empty"),
    (MissingExtra("plot", "matplotlib"), 'matplotlib is not installed; it comes with: pip install "octogym[plot]"'),
]


@pytest.mark.parametrize(("error", "text"), ERRORS)
def test_reads_well_and_pickles(error, text):
    assert str(error) == text
    assert isinstance(error, OctoGymError)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == text


def test_kinds_are_caught_by_the_usual_names():
    assert issubclass(TraceError, ValueError)
    assert issubclass(ScenarioError, ValueError)
    assert issubclass(MissingExtra, ImportError)
