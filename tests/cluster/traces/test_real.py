"""The measured traces: found, loaded under stable names, and what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import find_data, load_real, synthetic_set
from octogym.cluster.traces.bandwidth import load_link_table
from octogym.cluster.traces.fetch import verify


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """No measured traces in any place that is looked at."""
    monkeypatch.delenv("OCTOGYM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("octogym.cluster.traces.real.__file__", str(tmp_path / "a/b/c/d/real.py"))
    here = tmp_path / "checkout"
    here.mkdir()
    monkeypatch.chdir(here)
    return tmp_path


@pytest.mark.data
def test_every_published_file_is_as_published(data_folder):
    assert set(verify(data_folder).values()) == {"ok"}


@pytest.mark.data
def test_campus(real):
    names = [name for name in real if name.startswith("campus/s01/")]
    assert names == [f"campus/s01/node{k}" for k in range(1, 17)]
    assert {len(real[name]) for name in names} == {7362}
    assert {real[name].rate_hz for name in names} == {15.0}
    total = sum(real[name].total().astype(int) for name in names)
    assert total.mean() == pytest.approx(92.4, abs=0.1)
    assert (total.min(), total.max()) == (66, 120)
    balanced = sum(real[name].labels["balanced"].astype(int) for name in names)
    assert np.array_equal(balanced, total), "the labels move loads, they lose none"


@pytest.mark.data
def test_aicity(real):
    names = [name for name in real if name.startswith("aicity/")]
    assert len(names) == 19
    assert {len(real[name]) for name in names} == {430}
    ends = [int(real[name].available.sum()) for name in names]
    assert (min(ends), max(ends)) == (341, 430)
    assert all(real[name].available[:341].all() for name in names)
    assert sum(np.maximum(real[name].total(), 0).mean() for name in names) == pytest.approx(170.3, abs=0.1)
    assert "aicity/node43" not in real


@pytest.mark.data
def test_object_counts(real):
    names = {name for name in real if name.startswith("fcpo/")}
    distinct = [*(f"traffic{k}" for k in range(1, 7)), "people1", "people2", "people3", "indoor1"]
    assert names == {f"fcpo/{name}" for name in distinct}
    assert real["fcpo/traffic5"].counts["car"].mean() == pytest.approx(14.85, abs=0.01)
    assert real["fcpo/indoor1"].counts["person"].mean() == pytest.approx(9.65, abs=0.01)
    assert real["octopinf/indoor2"].counts["person"].mean() == pytest.approx(16.5, abs=0.1)


@pytest.mark.data
def test_repeats_are_there_on_request(data_folder, real):
    everything = load_real(data_folder, repeats=True)
    assert len([name for name in everything if name.startswith("fcpo/")]) == 39
    assert len([name for name in everything if name.startswith("aicity/")]) == 27
    assert np.array_equal(everything["fcpo/traffic100"].total(), real["fcpo/traffic1"].total())


@pytest.mark.data
def test_bandwidth(real):
    static = [name for name in real if name.startswith("5g/static-")]
    moving = [name for name in real if name.startswith("5g/moving-")]
    assert (len(static), len(moving)) == (7, 7)
    for name in static + moving:
        series = real[name]
        assert 1819 <= series.duration_s <= 2700
        assert 0.03 < (series.pieces_ns * (series.bit_per_s == 0)).sum() / series.end_ns < 0.12
        assert np.diff(series.t_ns).max() <= 15 * 10**9
    assert real["5g-30s/0"].bit_per_s.tolist() == [50_000_000]
    assert real["5g-30s/1"].bit_per_s[1] == 188_460_000


@pytest.mark.data
def test_link_rates_are_those_behind_the_table(data_folder, real):
    rates = np.array([real[f"campus/links/node{k}"].bit_per_s[0] for k in range(1, 17)])
    table = load_link_table(data_folder / "campus" / "bandwidth.cites")
    off = ~np.eye(16, dtype=bool)
    assert np.abs(np.sqrt(np.outer(rates, rates)) - table)[off].max() < 0.01e6
    assert rates[0] == pytest.approx(int(real["5g-30s/1"].bit_per_s[1]), rel=1e-3)


@pytest.mark.data
def test_loading_is_cached(data_folder):
    assert load_real(data_folder) is load_real(str(data_folder))


@pytest.mark.data
def test_synthetic_set_has_every_name(real):
    assert set(real) <= set(synthetic_set(0))


def test_nothing_found(no_data):
    assert find_data() is None
    with pytest.raises(TraceError, match="octogym data fetch"):
        load_real()


def test_places_are_looked_at_in_order(no_data, monkeypatch):
    places = [no_data / "cache/octogym/data", no_data / "shared/data", no_data / "mine"]
    for place in places:
        (place / "fcpo").mkdir(parents=True)
        (place / "fcpo/object_count.json").write_text('{"a": {"person": [1]}}')
        if place.name == "mine":
            monkeypatch.setenv("OCTOGYM_DATA", str(place))
        assert find_data() == place
    assert list(load_real()) == ["fcpo/a"]


def test_a_wrong_environment_variable_is_an_error(no_data, monkeypatch):
    monkeypatch.setenv("OCTOGYM_DATA", str(no_data))
    with pytest.raises(TraceError, match="OCTOGYM_DATA names it"):
        find_data()


def test_empty_folder_is_an_error(tmp_path):
    with pytest.raises(TraceError, match="holds no trace"):
        load_real(tmp_path)
