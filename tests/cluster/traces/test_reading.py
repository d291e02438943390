"""Reading refuses what is not text, a table or JSON, and names the line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.reading import (
    expect_columns,
    json_line,
    number,
    provenance,
    read_json,
    read_table,
    read_text,
    whole,
)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "empty"),
        (b" \n\n", None, "empty"),
        (b"a\nb\n\xff\xfe\x00\n", 3, "not text"),
        (b"a\nb\0c\n", 2, "not text"),
    ],
)
def test_what_is_not_text(write, content, line, words):
    with pytest.raises(TraceError, match=words) as error:
        read_text(write("x.csv", content))
    assert error.value.line == line


def test_missing_file_is_named(tmp_path):
    with pytest.raises(TraceError, match=r"nothing\.csv: cannot be read"):
        read_text(tmp_path / "nothing.csv")


def test_table(write):
    rows = read_table(write("x.csv", "a,b\r\n1, 2\r\n\r\n"))
    assert [(row.line, row.fields) for row in rows] == [(1, ["a", "b"]), (2, ["1", "2"])]
    with pytest.raises(TraceError, match="2 columns, expected 3 or 4") as error:
        expect_columns("x.csv", rows, [3, 4])
    assert error.value.line == 1
    with pytest.raises(TraceError, match="truncated") as error:
        read_table(write("cut.csv", "a,b\n1,2"))
    assert error.value.line == 2
    with pytest.raises(TraceError, match="empty line") as error:
        read_table(write("hole.csv", "a,b\n\n1,2\n"))
    assert error.value.line == 2


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1_000", "x", "", "0x10", "1e999"])
def test_what_is_no_number(text):
    with pytest.raises(TraceError, match="finite number") as error:
        number("f", 7, text, "speed")
    assert error.value.line == 7


def test_whole_numbers():
    assert whole("f", 1, "10.0", "count", 0, 10) == 10
    for text in ("1.5", "-1", "11"):
        with pytest.raises(TraceError, match="whole number from 0 to 10"):
            whole("f", 1, text, "count", 0, 10)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"a": [1,\n2', 2, "truncated"),
        ('{"a": 1}\n}', 2, "not JSON"),
        ('{"a":\nNaN}', 2, "NaN is not a number"),
        ('{"a": 1, "a": 2}', None, "twice"),
        ("[1, 2]", 1, "expected an object"),
        ("[" * 100_000, None, "nested too deeply"),
    ],
)
def test_bad_json(write, text, line, words):
    with pytest.raises(TraceError, match=words) as error:
        read_json(write("x.json", text))
    if line is not None:
        assert error.value.line == line


JSON = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=5) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def paths(value, so_far=()):
    """Every path into a JSON value."""
    yield so_far
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*so_far, key))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_json_line_finds_every_value(value):
    text = json.dumps(value, indent=1)
    lines = text.split("\n")
    for path in paths(value):
        inner = value
        for key in path:
            inner = inner[key]
        assert json.dumps(inner, indent=1).split("\n")[0] in lines[json_line(text, path) - 1]


def test_provenance_has_name_and_hash(write):
    assert (
        provenance(write("x.csv", "abc"))
        == "x.csv sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
