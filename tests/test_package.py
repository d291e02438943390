"""The package as a user finds it: light to import, its names resolve, its files are clean."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import octogym
from octogym.cluster.names import OWN

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ["cv2", "jtop", "matplotlib", "numba", "onnxruntime", "pandas", "pyarrow", "scipy", "torch", "zmq"]


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, octogym; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == []


def test_public_names_resolve() -> None:
    for name in octogym.__all__:
        assert getattr(octogym, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        octogym.nothing  # noqa: B018


def test_version_is_that_of_the_distribution() -> None:
    assert octogym.__version__ == metadata.version("octogym")


def our_entry_points(group: str) -> list[metadata.EntryPoint]:
    return [point for point in metadata.distribution("octogym").entry_points if point.group == group]


@pytest.mark.parametrize("group", ["console_scripts", "octogym.backends", "octogym.policies", "octogym.scenarios"])
def test_entry_points_resolve(group: str) -> None:
    points = our_entry_points(group)
    assert points
    for point in points:
        assert point.load() is not None


@pytest.mark.parametrize("group", list(OWN))
def test_table_of_own_names_is_that_of_the_distribution(group: str) -> None:
    assert {point.name: point.value for point in our_entry_points(group)} == OWN[group]


def test_scenario_packages_hold_scenario_files() -> None:
    for point in our_entry_points("octogym.scenarios"):
        package = importlib.import_module(point.value)
        assert list(Path(package.__path__[0]).glob("*.toml"))


def test_typed_and_licensed() -> None:
    assert (Path(octogym.__path__[0]) / "py.typed").exists()
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "AGPL-3.0" in (ROOT / "NOTICE").read_text()


def test_no_file_names_a_path_of_one_machine() -> None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    folders = "|".join(["home", "root", "tmp", "work", "Users", "opt"])
    machine_path = re.compile(rf"(?<![\w.~$}}/-])/(?:{folders})/")
    found = []
    for name in filter(None, listed):
        try:
            text = (ROOT / name).read_text()
        except (FileNotFoundError, UnicodeDecodeError):
            continue
        found += [f"{name}: {line.strip()}" for line in text.splitlines() if machine_path.search(line)]
    assert found == []
