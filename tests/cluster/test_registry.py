"""Names: ours from a table, others' from entry points."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octogym.cluster import names, registry
from octogym.cluster.errors import ScenarioError

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class Point:
    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Declares entry points as if packages with them were installed."""

    def declare(*points: Any) -> None:
        def entry_points() -> Any:
            found: dict = {}
            for group, name, value in points:
                found.setdefault(group, []).append(Point(name, value))
            return found  # what Python 3.8 and 3.9 return

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        names.names.cache_clear()

    yield declare
    names.names.cache_clear()


class Greedy:
    def __init__(self, argument: str = "nothing", speed: int = 0) -> None:
        self.argument, self.speed = argument, speed


def test_own_names_need_no_installed_metadata(installed: Any) -> None:
    installed()
    assert "static" in registry.policies()
    assert registry.backends()["sim"] == "octogym.sim:SimBackend"
    assert "traffic-2" in registry.scenarios()


def test_table_is_what_the_package_declares() -> None:
    if not PYPROJECT.is_file():
        pytest.skip("no checkout")
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    declared = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]
    assert declared == names.OWN


def test_entry_points_add_names(installed: Any) -> None:
    installed((names.POLICIES, "greedy", f"{__name__}:Greedy"))
    assert registry.make_policy("greedy").argument == "nothing"
    assert registry.make_policy("greedy:runs/x:1.safetensors").argument == "runs/x:1.safetensors"
    assert registry.make_policy("greedy:fast", speed=3).speed == 3


def test_own_metadata_is_no_clash(installed: Any) -> None:
    installed((names.BACKENDS, "sim", "octogym.sim:SimBackend"))
    assert registry.backends() == names.OWN[names.BACKENDS]


def test_clash_is_an_error(installed: Any) -> None:
    installed((names.POLICIES, "static", "other:Policy"))
    with pytest.raises(
        ScenarioError, match=r"static = 'other:Policy'.*octogym\.agents\.static:StaticPolicy has this one"
    ):
        registry.policies()


def test_newer_pythons_select_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    class Selectable(list):
        def select(self, group: str) -> list:
            return [Point("other", "somewhere:Backend")] if group == names.BACKENDS else []

    monkeypatch.setattr(importlib.metadata, "entry_points", Selectable)
    names.names.cache_clear()
    assert set(registry.backends()) == {*names.OWN[names.BACKENDS], "other"}
    names.names.cache_clear()


@pytest.mark.parametrize(
    ("make", "word", "hint"), [("make_policy", "statik", "static"), ("make_backend", "sym", "sim")]
)
def test_unknown_name_lists_what_there_is(make: str, word: str, hint: str) -> None:
    arguments = (word,) if make == "make_policy" else (word, "traffic-2")
    with pytest.raises(ScenarioError, match=f"did you mean '{hint}'"):
        getattr(registry, make)(*arguments)


def test_entry_point_to_nothing(installed: Any) -> None:
    installed((names.POLICIES, "gone", "octogym_gone.policy:Gone"), (names.POLICIES, "less", f"{__name__}:Less"))
    with pytest.raises(ScenarioError, match="a module that exists"):
        registry.make_policy("gone")
    with pytest.raises(ScenarioError, match="an attribute that exists"):
        registry.make_policy("less")


def test_a_package_of_scenario_files_adds_them(installed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "octogym_more_scenarios"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "night.toml").write_text(
        'include = ["octogym:scenarios/traffic-2.toml"]\ndescription = "traffic by night"\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    installed((names.SCENARIOS, "more", "octogym_more_scenarios"))
    assert registry.scenarios()["night"] == "traffic by night"
    assert registry.load_scenario("night", traces="synthetic").cluster.S == 5
    (package / "traffic-2.toml").write_text('description = "another"\n')
    with pytest.raises(ScenarioError, match=r"traffic-2\.toml"):
        registry.scenarios()


def test_scenarios_are_in_order_of_size() -> None:
    listed = list(registry.scenarios())
    assert listed.index("campus-8") < listed.index("campus-12") < listed.index("campus-16")
    assert {
        "traffic-2",
        "fcpo-testbed",
        "city-8",
        "city-16",
        "city-19",
        "city-26",
        "campus-16-rack",
        "city-16-rack",
    } <= set(listed)


def test_every_listed_scenario_loads() -> None:
    for name in registry.scenarios():
        assert registry.load_scenario(name, traces="synthetic").name == name
