"""A lazy dict must be a dict to whoever holds it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from octogym.envs.lazy import LazyDict


class Counting:
    """Keys a, b, c; counts how often a value is made."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []

    def names(self, row: int) -> Mapping[str, Any]:
        return {"a": None, "b": None, "c": None}

    def start(self, row: int) -> tuple[str, Any]:
        return "a", self.value("a", row)

    def value(self, key: str, row: int) -> Any:
        self.made.append((key, row))
        return [key, row]


@pytest.fixture
def source() -> Counting:
    return Counting()


@pytest.fixture
def info(source: Counting) -> LazyDict:
    return LazyDict.of(source, 7)


PLAIN = {"a": ["a", 7], "b": ["b", 7], "c": ["c", 7]}


def test_nothing_is_made_before_it_is_asked_for(source: Counting, info: LazyDict) -> None:
    assert info.get("episode") is None and "terminal" not in info and "a" in info
    # The first is there from the start.
    assert source.made == [("a", 7)]
    assert info["b"] == ["b", 7]
    assert source.made == [("a", 7), ("b", 7)]


def test_a_value_is_made_once(source: Counting, info: LazyDict) -> None:
    info["a"].append("mine")
    assert info["a"] == ["a", 7, "mine"] and dict(info)["a"] == ["a", 7, "mine"]
    assert source.made.count(("a", 7)) == 1


@pytest.mark.parametrize(
    "use",
    [
        dict,
        lambda d: {**d},
        lambda d: d.copy(),
        copy.copy,
        copy.deepcopy,
        lambda d: pickle.loads(pickle.dumps(d)),
        lambda d: dict(d.items()),
        lambda d: dict(zip(d.keys(), d.values(), strict=True)),
        lambda d: json.loads(json.dumps(d)),
        lambda d: d | {},
        lambda d: {} | d,
        lambda d: {key: d[key] for key in d},
        lambda d: {key: d[key] for key in reversed(d)},
    ],
)
def test_every_way_of_copying_gives_all(info: LazyDict, use: Any) -> None:
    assert use(info) == PLAIN


def test_it_compares_prints_and_counts_as_a_dict(info: LazyDict) -> None:
    assert isinstance(info, dict) and len(info) == 3 and repr(info) == repr(PLAIN) and bool(info)
    assert info == PLAIN and [info] == [PLAIN] and info == LazyDict.of(Counting(), 7)
    assert info != LazyDict.of(Counting(), 8) and info != {}
    with pytest.raises(TypeError):
        hash(info)


def test_what_is_set_wins_and_joins(info: LazyDict) -> None:
    info["a"], info["episode"] = 1, 2
    assert info == {**PLAIN, "a": 1, "episode": 2}
    assert list(info) == ["a", "b", "c", "episode"]


def test_removing(info: LazyDict) -> None:
    del info["a"]
    assert info.pop("b") == ["b", 7] and info.pop("none", None) is None
    assert info == {"c": ["c", 7]} and "a" not in info and info.get("b") is None
    assert info.popitem() == ("c", ["c", 7])
    assert not info


def test_clear_setdefault_update(info: LazyDict) -> None:
    assert info.setdefault("a", 0) == ["a", 7] and info.setdefault("z", 0) == 0
    info.update(b=3)
    assert info["b"] == 3
    info.clear()
    assert info == {} and "c" not in info


def test_unknown_keys_raise(info: LazyDict) -> None:
    with pytest.raises(KeyError, match="nothing"):
        info["nothing"]


def test_a_library_may_build_one_from_pairs(info: LazyDict) -> None:
    assert type(info)((key, 1) for key in info) == {"a": 1, "b": 1, "c": 1}
