"""A file's format is told by its content."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import load

FILES = {
    "counts": ('{"a": {"person": [1], "car": [2]}}', ["x/a"], []),
    "caps": ('{"bandwidth_limits": [{"time": 0, "mbps": 50}]}', [], ["x"]),
    "rates": ("second,kbit_per_s\n0,1000\n", [], ["x"]),
    "churn": ("present_at_s,a,b\n0,1,0\n9,1,0\n", [], []),
    "city": ("Time(s),node1\n0,1\n", ["x/node1"], []),
    "irish": ("Timestamp,DL_bitrate\n2019.12.16_13.40.04,1000\n", [], ["x"]),
    "mtmmc": ("0,1,1,1,1,1\n", ["x/x"], []),
    "table": ("".join(f"{i} {j} 5\n" for i in (1, 2, 3) for j in (1, 2, 3)), [], [f"x/node{i}" for i in (1, 2, 3)]),
}


@pytest.mark.parametrize("kind", FILES)
def test_known_formats(write, kind):
    text, counts, rates = FILES[kind]
    traces = load(write("x.dat", text))
    assert list(traces.counts) == counts
    assert list(traces.rates) == rates


def test_availability_is_told_by_its_header(write):
    assert list(load(write("x.dat", FILES["churn"][0])).availability) == ["x/a", "x/b"]


def test_name_and_rate_can_be_given(write):
    path = write("factory.csv", "Time,node1\n0,1\n1,2\n")
    with pytest.raises(TraceError, match="pass rate_hz"):
        load(path)
    assert load(path, "mine", 15).counts["mine/node1"].rate_hz == 15


@pytest.mark.parametrize("content", ["hello\n", "a,b\n1,2\n", "\x89PNG\r\n", "# a comment\n", "1 2\n", "a,b,c,d,e,f\n"])
def test_foreign_files_say_what_was_expected(write, content):
    with pytest.raises(TraceError, match=r"unknown format; expected one of: object counts"):
        load(write("x.dat", content))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\x00", bytes(range(256))])
def test_binary_files_are_refused(write, content):
    with pytest.raises(TraceError):
        load(write("x.dat", content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.floats(0, 1),
    st.integers(0, 3),
    st.sampled_from(
        [b"-", b"9" * 25, b"nan", b"1e309", b"\xff", b"\0", b",", b"\n", b'"', b"}", b" ", b"_", b"\r", b"0.5"]
    ),
)
def test_a_damaged_file_loads_or_is_refused_with_its_name(write, kind, place, removed, inserted):
    content = FILES[kind][0].encode()
    at = int(place * len(content))
    path = write("x.dat", content[:at] + inserted + content[at + removed :])
    try:
        load(path)
    except TraceError as error:
        assert str(error).startswith(str(path))


def test_a_table_that_is_not_made_of_rates_is_refused(write):
    table = "".join(f"{i} {j} {5 + i * j}\n" for i in (1, 2, 3, 4) for j in (1, 2, 3, 4))
    with pytest.raises(TraceError, match="geometric mean"):
        load(write("bandwidth.cites", table))


def test_foreign_folders_are_refused(tmp_path):
    with pytest.raises(TraceError, match="no trace that is known"):
        load(tmp_path)
