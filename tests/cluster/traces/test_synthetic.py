"""The synthetic set: names, determinism, kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import octogym
from octogym.cluster.traces import synthetic_set
from octogym.cluster.traces.measures import count_figures, rate_figures

HASH = "import sys; from octogym.cluster.traces import synthetic_set as s; print(s(int(sys.argv[1])).sha256)"


def test_names():
    names = set(synthetic_set(0))
    assert {f"campus/s01/node{k}" for k in range(1, 17)} <= names
    assert {f"campus/links/node{k}" for k in range(1, 17)} <= names
    assert {f"fcpo/traffic{k}" for k in range(1, 7)} <= names
    assert {"fcpo/people1", "fcpo/people2", "fcpo/people3", "fcpo/indoor1", "octopinf/indoor2"} <= names
    assert {f"5g/static-{k:02d}" for k in range(1, 11)} <= names
    assert {f"5g/moving-{k}" for k in range(11, 21)} <= names
    assert {f"5g-30s/{k}" for k in range(21)} <= names
    assert len([name for name in names if name.startswith("aicity/")]) == 19
    assert len(names) == 16 + 16 + 11 + 19 + 20 + 21


def test_made_once_per_process():
    assert synthetic_set(0) is synthetic_set(0, "typical")


def test_same_seed_same_bytes_in_another_process():
    environment = {**os.environ, "PYTHONPATH": str(Path(octogym.__file__).parents[1]), "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", HASH, "3"], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == synthetic_set(3).sha256
    assert synthetic_set(3).sha256 != synthetic_set(4).sha256


def test_bytes_of_seed_0_never_change():
    # A change here changes every result on synthetic traces: say so in the changelog.
    assert synthetic_set(0).sha256 == "84201346fc5405818b157e34292fa964a6381336f56087dca45cb5ceec5bb80b"


def test_coarse_caps_are_means_of_the_fine_rates():
    traces = synthetic_set(0)
    fine, coarse = traces.rates["5g/static-01"], traces.rates["5g-30s/1"]
    assert coarse.bit_per_s[0] == 50_000_000
    assert coarse.t_ns[1] == 60 * 10**9
    assert coarse.bit_per_s[1] == pytest.approx(fine.bit_per_s[:30].mean(), abs=1)
    assert np.array_equal(np.unique(np.diff(coarse.t_ns[1:])), [30 * 10**9])


def test_kinds():
    typical, bursty, day = (synthetic_set(1, kind) for kind in ("typical", "bursty", "day"))
    name = "campus/s01/node12"
    assert count_figures(bursty[name]).mean == pytest.approx(count_figures(typical[name]).mean, rel=0.05)

    def over(traces):
        figures = [count_figures(one) for one in traces.counts.values()]
        return np.median([one.variance / one.mean for one in figures])

    assert over(bursty) > 1.4 * over(typical)
    radio = "5g/moving-11"
    assert rate_figures(bursty[radio]).outage_share > 1.3 * rate_figures(typical[radio]).outage_share
    night, rush = (day["fcpo/traffic5"].cut(*hour).total().mean() for hour in ((25, 100), (400, 450)))
    assert rush > 5 * night


@pytest.mark.parametrize("arguments", [(0, "wild"), (-1,)])
def test_unknown_kinds_and_seeds_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        synthetic_set(*arguments)
