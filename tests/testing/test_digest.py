"""Bit-exact comparison."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from octogym.testing.digest import difference, digest


@dataclass
class Pair:
    left: Any
    right: Any


SAME = [
    {"a": 1, "b": [1.5, (2, None)]},
    np.array([0.1, np.nan]),
    Pair(np.arange(3), "x"),
    [np.array(["a", None], object)],
]


@pytest.mark.parametrize("value", SAME)
def test_equal_values_are_equal(value: Any) -> None:
    assert digest(value) == digest(copy.deepcopy(value)) and difference(value, copy.deepcopy(value)) is None


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ({"a": 1}, {"b": 1}, r"keys \['a', 'b'\] in one only"),
        ({"a": [1, 2]}, {"a": [1, 3]}, r"\['a'\]\[1\]: 2 and 3"),
        (Pair(1, 2), Pair(1, 3), r"\.right: 2 and 3"),
        (np.zeros(3), np.array([0, 0, 1e-300]), r"\[2\]: "),
        (np.zeros(3), np.zeros(3, np.float32), "and"),
        (0.1 + 0.2, 0.3, "0.30000000000000004 and 0.3"),
        (1, True, "1 and True"),
        ((1,), (1, 2), r"\(1,\) and \(1, 2\)"),
        (0.0, -0.0, r"0\.0 and -0\.0"),
    ],
)
def test_differences_say_where(first: Any, second: Any, where: str) -> None:
    assert digest(first) != digest(second)
    assert re.search(where, difference(first, second))
