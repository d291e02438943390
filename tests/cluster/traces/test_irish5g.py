"""The Irish 5G CSVs."""

from __future__ import annotations

import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import load
from octogym.cluster.traces.irish5g import load_irish5g

HEADER = "Timestamp,Longitude,Latitude,Speed,NetworkMode,DL_bitrate,UL_bitrate,State\n"
ROWS = [
    "2019.12.16_13.40.04,-8.39,51.88,0,5G,-,20,D\n",
    "2019.12.16_13.40.05,-8.39,51.88,0,5G,1000,20,D\n",
    "2019.12.16_13.40.05,-8.39,51.88,0,5G,3000,20,D\n",
    "2019.12.16_13.40.06,-8.39,51.88,0,5G,-,150,D\n",
    "2019.12.16_13.40.08,-8.39,51.88,0,5G,72,20,D\n",
]
S = 10**9


def test_missing_values_hold_and_time_begins_with_the_first_value(write):
    path = write("B_2019.12.16_13.40.04.csv", HEADER + "".join(ROWS))
    down = load_irish5g(path, "drive")
    assert down.t_ns.tolist() == [0, 3 * S]
    assert down.bit_per_s.tolist() == [2_000_000, 0]
    up = load_irish5g(path, "drive", "up")
    assert up.t_ns.tolist() == [0, S, 2 * S, 4 * S]
    assert up.bit_per_s.tolist() == [0, 0, 150_000, 0]
    assert load(path, "drive").rates["drive"].t_ns.tolist() == down.t_ns.tolist()
    with pytest.raises(ValueError, match="direction"):
        load_irish5g(path, "drive", "sideways")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Timestamp,UL_bitrate\n2019.12.16_13.40.04,5\n", 1),
        ("Timestamp,DL_bitrate,DL_bitrate\n2019.12.16_13.40.04,5,5\n", 1),
        (HEADER + ROWS[1] + "2019.12.16_13.40.06,-8.39,51.88\n", 3),
        (HEADER + "16.12.2019 13:40,-8.39,51.88,0,5G,1000,20,D\n", 2),
        (HEADER + ROWS[1].replace("1000", "-5"), 2),
        (HEADER + ROWS[1].replace("1000", "fast"), 2),
        (HEADER + ROWS[4] + ROWS[1], 3),
        (HEADER + ROWS[1] + ROWS[1].replace("13.40.05", "13.40.55"), 3),
        (HEADER + ROWS[0], 2),
    ],
)
def test_damaged_files_are_refused_with_their_line(write, text, line):
    with pytest.raises(TraceError) as error:
        load_irish5g(write("x.csv", text), "x")
    assert error.value.line == line
