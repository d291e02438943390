"""Sets of traces: names, content hash, selection, train and test parts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import AvailabilitySeries, CountSeries, RateSeries, TraceSet

S = 10**9


def make(values=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), source="test", order=1):
    counts = [CountSeries(f"site/node{k}", 1.0, {"car": np.array(values) + k}, source) for k in (1, 2)][::order]
    rate = RateSeries("5g/a", np.arange(10) * S, np.arange(10), 10 * S, source)
    away = AvailabilitySeries("away/x", np.array([[2, 9]]) * S, 10 * S, source)
    return TraceSet({one.name: one for one in counts}, {rate.name: rate}, {away.name: away})


def test_finds_series_of_every_kind():
    traces = make()
    assert list(traces) == ["site/node1", "site/node2", "5g/a", "away/x"]
    assert len(traces) == 4
    assert "5g/a" in traces
    assert isinstance(traces["away/x"], AvailabilitySeries)


def test_unknown_name_says_what_is_near():
    with pytest.raises(TraceError, match=r"nearest: site/node[12].*2 site/, 1 5g/, 1 away/"):
        make()["site/node3"]


def test_hash_is_of_content_not_of_order_or_provenance():
    assert make().sha256 == make(source="other", order=-1).sha256
    assert make().sha256 != make(values=(1, 2, 3, 4, 5, 6, 7, 8, 9, 11)).sha256
    assert len(make().sha256) == 64


def test_wrong_or_repeated_names_are_refused():
    one = make().counts["site/node1"]
    with pytest.raises(TraceError, match="other name"):
        TraceSet({"x": one})
    with pytest.raises(TraceError, match="two series"):
        TraceSet({one.name: one}, {one.name: RateSeries(one.name, [0], [1], 1, "test")})


def test_select():
    assert list(make().select(["site/*"])) == ["site/node1", "site/node2"]
    with pytest.raises(TraceError, match="no trace matches"):
        make().select(["nothing*"])


def test_slice_by_time_splits_every_series_without_overlap():
    train, test = make().slice("train", 0.6), make().slice("test", 0.6)
    assert train.counts["site/node1"].counts["car"].tolist() == [2, 3, 4, 5, 6, 7]
    assert test.counts["site/node1"].counts["car"].tolist() == [8, 9, 10, 11]
    assert train.rates["5g/a"].duration_s == 6
    assert test.rates["5g/a"].bit_per_s.tolist() == [6, 7, 8, 9]
    assert train.availability["away/x"].absent.tolist() == [[2 * S, 6 * S]]
    assert test.availability["away/x"].absent.tolist() == [[0, 3 * S]]


def test_slice_by_name():
    train, test = (make().slice(part, test_names=["*node2", "5g/*"]) for part in ("train", "test"))
    assert set(test) == {"site/node2", "5g/a"}
    assert set(train) == {"site/node1", "away/x"}
    assert len(test.counts["site/node2"]) == 10


@pytest.mark.parametrize("arguments", [("validation",), ("train", 0.0), ("train", 1.0)])
def test_bad_slices_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        make().slice(*arguments)


def test_pickles():
    again = pickle.loads(pickle.dumps(make()))
    assert again.sha256 == make().sha256
    assert again["5g/a"].duration_s == 10
