"""Bandwidth files: 1 Hz measurements, 30-second caps, node-to-node table."""

from __future__ import annotations

import json

import numpy as np
import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.bandwidth import load_caps, load_link_table, load_rates_csv, node_rates

S = 10**9


def test_rates_follow_the_rules(write):
    path = write("static-01.csv", "second,kbit_per_s\n0,1000\n1,2000\n1,4000\n5,99\n6,100\n")
    series = load_rates_csv(path, "5g/static-01")
    assert series.t_ns.tolist() == [0, S, 5 * S, 6 * S]
    assert series.bit_per_s.tolist() == [10**6, 3 * 10**6, 0, 10**5]
    assert series.end_ns == 7 * S


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("second,mbit\n0,1\n", 1),
        ("second,kbit_per_s\n0,1\n1\n", 3),
        ("second,kbit_per_s\n0,1,2\n", 2),
        ("second,kbit_per_s\n0,-5\n", 2),
        ("second,kbit_per_s\n0,nan\n", 2),
        ("second,kbit_per_s\n0,1\n5,1\n4,1\n", 4),
        ("second,kbit_per_s\n7,1\n", 2),
        ("second,kbit_per_s\n0,1\n20,1\n", 3),
        ("second,kbit_per_s\n0,1\n1,25", 3),
        ("second,kbit_per_s\n", None),
    ],
)
def test_damaged_rates_are_refused_with_their_line(write, text, line):
    with pytest.raises(TraceError) as error:
        load_rates_csv(write("x.csv", text), "x")
    assert error.value.line == line


def test_caps_are_in_force_until_the_next(write):
    caps = [{"time": 0, "mbps": 50.0}, {"time": 60, "mbps": 0.05}, {"time": 90, "mbps": 8.5}]
    series = load_caps(write("bandwidth_limits1.json", json.dumps({"bandwidth_limits": caps})), "5g-30s/1")
    assert series.t_ns.tolist() == [0, 60 * S, 90 * S]
    assert series.bit_per_s.tolist() == [50_000_000, 0, 8_500_000]
    assert series.end_ns == 120 * S


@pytest.mark.parametrize(
    ("caps", "line"),
    [
        ('[{"time": 0, "mbps": 1},\n{"time": 1}]', 2),
        ('[{"time": 0, "mbps": 1},\n{"time": 1, "mbps": -1}]', 2),
        ('[{"time": 0, "mbps": 1},\n{"time": 1, "mbps": "2"}]', 2),
        ('[{"time": 0, "mbps": 1},\n{"time": -1, "mbps": 1}]', 2),
        ('[{"time": 5, "mbps": 1}]', 1),
        ('[{"time": 0, "mbps": 1},\n{"time": 1e300, "mbps": 1}]', 2),
        ("[]", 1),
        ("{}", 1),
        ("[3]", 1),
        ('[{"time": 0, "mbps": 1},\n{"time": 3', 2),
    ],
)
def test_damaged_caps_are_refused_with_their_line(write, caps, line):
    with pytest.raises(TraceError) as error:
        load_caps(write("x.json", '{"bandwidth_limits": ' + caps + "}"), "x")
    assert error.value.line == line


def table(rates):
    rows = [
        f"{i} {j} {1e9 if i == j else (a * b) ** 0.5:.2f}\n"
        for i, a in enumerate(rates, 1)
        for j, b in enumerate(rates, 1)
    ]
    return "".join(rows)


def test_link_table_and_the_rates_behind_it(write):
    rates = [188.46, 151.54, 16.35, 182.44]
    found = load_link_table(write("bandwidth.cites", table(rates)))
    assert found.shape == (4, 4)
    assert found[0, 1] == pytest.approx(1e6 * 169.0, rel=1e-3)
    assert np.diag(found).tolist() == [0, 0, 0, 0]
    assert node_rates(found) == pytest.approx(1e6 * np.array(rates), rel=1e-3)
    with pytest.raises(ValueError, match="fewer than 3"):
        node_rates(found[:2, :2])
    found[0, 1] *= 1.5
    with pytest.raises(ValueError, match="the entry 1 2 is not the geometric mean"):
        node_rates(found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1 1 5\n1 2 5\n2 1 5\n", 3),
        ("1 1 5\n1 2 5\n1 2 5\n2 2 5\n", 3),
        ("1 1 5\n1 2 -5\n2 1 5\n2 2 5\n", 2),
        ("1 1 5\n1 2 1e10\n2 1 5\n2 2 5\n", 2),
        ("1 1 5\n1 2 x\n2 1 5\n2 2 5\n", 2),
        ("1 1 5\n1 3 5\n2 1 5\n2 2 5\n", 2),
        ("1 1 5\n1 2\n2 1 5\n2 2 5\n", 2),
        ("1 1 5\n", 1),
    ],
)
def test_damaged_tables_are_refused_with_their_line(write, text, line):
    with pytest.raises(TraceError) as error:
        load_link_table(write("bandwidth.cites", text))
    assert error.value.line == line
