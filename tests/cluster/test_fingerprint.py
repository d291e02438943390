"""Digests of resolved objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from octogym.cluster.fingerprint import fingerprint


@dataclass(frozen=True)
class Thing:
    name: str
    values: np.ndarray
    table: dict


THING = Thing("a", np.arange(4), {"x": (1, 2.5), "y": None})


def test_equal_trees_have_equal_digests():
    assert fingerprint(THING) == fingerprint(Thing("a", np.arange(4), {"y": None, "x": [1, 2.5]}))
    assert len(fingerprint(THING)) == 64


@pytest.mark.parametrize(
    "other",
    [
        replace(THING, name="b"),
        replace(THING, values=np.arange(4)[::-1]),
        replace(THING, values=np.arange(4, dtype=np.int32)),
        replace(THING, values=np.arange(4).reshape(2, 2)),
        replace(THING, table={"x": (1, 2.5)}),
        replace(THING, table={"x": (1, 2.6), "y": None}),
    ],
    ids=["text", "order", "dtype", "shape", "key", "number"],
)
def test_any_difference_shows(other):
    assert fingerprint(other) != fingerprint(THING)


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(TypeError, match="function has no fingerprint"):
        fingerprint({"f": fingerprint})
