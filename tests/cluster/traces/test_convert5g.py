"""The measurements published as Python lists become CSVs, without running the script."""

from __future__ import annotations

import hashlib

import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.convert5g import convert
from octogym.cluster.traces.sources import SOURCES

SCRIPT = """import json
timestamps1 = ["23.59.58", "23.59.59", "23.59.59", "00.00.03", "00.00.04"]
bandwidths1 = [10, 20, 0.5, 40]
timestamps = timestamps1
"""


def as_script(csv, number):
    """A script as published that holds the lists of a CSV; the first stamp is 10:00:00."""
    rows = [line.split(",") for line in csv.decode().splitlines()[1:]]
    seconds = [36_000 + int(second) for second, _ in rows]
    stamps = [f"{s // 3600:02d}.{s // 60 % 60:02d}.{s % 60:02d}" for s in seconds]
    return f"timestamps{number} = {stamps!r}\nbandwidths{number} = [{', '.join(rate for _, rate in rows)}]\n"


def test_seconds_count_from_the_first_stamp_over_midnight(write):
    assert convert(write("s.py", SCRIPT), 1) == b"second,kbit_per_s\n0,10\n1,20\n1,0.5\n5,40\n"


@pytest.mark.data
def test_measured_files_come_out_bit_by_bit(write, data_folder):
    converted = [source for source in SOURCES if source.arrays is not None]
    assert len(converted) == 14
    for source in converted:
        path = write("script.py", as_script((data_folder / source.path).read_bytes(), source.arrays))
        assert hashlib.sha256(convert(path, source.arrays)).hexdigest() == source.sha256


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("timestamps1 = ['10.00.00'\n", "not the expected Python script"),
        ("timestamps1 = ['10.00.00']\n", "has no list bandwidths1"),
        ("timestamps1 = ['10.00.00']\nbandwidths1 = open('x')\n", "not a literal"),
        ("timestamps1 = ['10.00.00']\nbandwidths1 = 5\n", "not a list"),
        ("timestamps1 = ['10.00.00']\nbandwidths1 = []\n", "1 stamps and 0 rates"),
        ("timestamps1 = ['10.00.00']\nbandwidths1 = [1, 2]\n", "1 stamps and 2 rates"),
        ("timestamps1 = ['10:00:00']\nbandwidths1 = [1]\n", "expected 'hh.mm.ss'"),
        ("timestamps1 = ['10.00.00']\nbandwidths1 = ['1']\n", "expected a number"),
    ],
)
def test_other_scripts_are_refused_and_never_run(write, script, words):
    with pytest.raises(TraceError, match=words):
        convert(write("s.py", script), 1)
