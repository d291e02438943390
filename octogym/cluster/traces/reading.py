"""Reads trace files as text, tables and JSON; everything that is not as expected is refused with file and line."""

from __future__ import annotations

import hashlib
import json
import math
import os
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

from octogym.cluster.errors import TraceError

PathLike = Union[str, "os.PathLike[str]"]
LARGEST_COUNT = 32767  # counts are int16


class Row(NamedTuple):
    """One line of a table, split into its fields."""

    line: int
    fields: List[str]


def read_bytes(path: PathLike) -> bytes:
    """The file's content; an error if it cannot be read or is empty."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise TraceError(os.fspath(path), None, f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise TraceError(os.fspath(path), None, "is empty")
    return data


def read_text(path: PathLike) -> str:
    """The file's text (UTF-8)."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
        bad = text.find("\0")
        before = text[: max(bad, 0)].count("\n")
    except UnicodeDecodeError as error:
        bad, before = error.start, data.count(b"\n", 0, error.start)
    if bad >= 0:
        raise TraceError(os.fspath(path), before + 1, "is not text")
    return text


def provenance(path: PathLike) -> str:
    """File name and SHA-256, as the ``source`` of a series."""
    return f"{os.path.basename(os.fspath(path))} sha256:{hashlib.sha256(read_bytes(path)).hexdigest()}"


def read_table(path: PathLike, separator: str = ",", ends_with_newline: bool = True) -> List[Row]:
    """The lines, split at ``separator`` (``" "``: at white space), without empty lines at the end.

    A last line without its line end may have been cut off in the middle of a number, so it is refused where the format
    always ends with one.
    """
    text = read_text(path)
    lines = text.replace("\r\n", "\n").split("\n")
    if ends_with_newline and lines[-1].strip():
        raise TraceError(os.fspath(path), len(lines), "the last line has no line end: the file is truncated")
    while not lines[-1].strip():
        lines.pop()
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise TraceError(os.fspath(path), number, "empty line")
        fields = line.split() if separator == " " else [field.strip() for field in line.split(separator)]
        rows.append(Row(number, fields))
    return rows


def expect_columns(path: PathLike, rows: Sequence[Row], counts: Sequence[int]) -> None:
    """Refuses the first row that has another number of fields than one of ``counts``."""
    for row in rows:
        if len(row.fields) not in counts:
            wanted = " or ".join(str(count) for count in counts)
            raise TraceError(os.fspath(path), row.line, f"{len(row.fields)} columns, expected {wanted}")


def number(path: PathLike, line: int, text: str, what: str) -> float:
    """A finite decimal number."""
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TraceError(os.fspath(path), line, f"{what} = {text!r}, expected a finite number")
    return value


def whole(path: PathLike, line: int, text: str, what: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``; ``10.0`` counts as one."""
    value = number(path, line, text, what)
    if value != int(value) or not low <= value <= high:
        raise TraceError(os.fspath(path), line, f"{what} = {text!r}, expected a whole number from {low} to {high}")
    return int(value)


def read_json(path: PathLike) -> Tuple[Dict[str, Any], str]:
    """The JSON object in the file and the file's text; NaN, infinities and repeated keys are refused."""
    text = read_text(path)

    def refuse(word: str) -> None:
        raise TraceError(os.fspath(path), text[: text.find(word)].count("\n") + 1, f"{word} is not a number")

    def distinct(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            key = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise TraceError(os.fspath(path), None, f"the key {json.dumps(key)} stands twice in one object")
        return result

    try:
        value = json.loads(text, parse_constant=refuse, object_pairs_hook=distinct)
    except json.JSONDecodeError as error:
        at_end = "" if text[error.pos :].strip() else ": the file is truncated"
        raise TraceError(os.fspath(path), error.lineno, f"is not JSON ({error.msg}){at_end}") from error
    except RecursionError as error:
        raise TraceError(os.fspath(path), None, "is nested too deeply") from error
    if not isinstance(value, dict):
        raise TraceError(os.fspath(path), 1, f"a JSON {type(value).__name__}, expected an object")
    return value, text


def json_line(text: str, path: Sequence[Union[str, int]]) -> int:
    """Line of the value that the keys and indices ``path`` lead to in the valid JSON ``text``."""
    decoder = json.JSONDecoder()

    def skip(position: int) -> int:
        while text[position] in " \t\r\n":
            position += 1
        return position

    position = skip(0)
    for step in path:
        position = skip(position + 1)
        index = 0
        while True:
            key: Union[str, int] = index
            if isinstance(step, str):
                key, position = scanstring(text, position + 1)
                position = skip(skip(position) + 1)
            if key == step:
                break
            _, position = decoder.raw_decode(text, position)
            position = skip(skip(position) + 1)
            index += 1
    return text.count("\n", 0, position) + 1
