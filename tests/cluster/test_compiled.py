"""Machine code is kept between processes, and never believed blindly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from octogym.cluster.compiled import DATA, Compiled, cache_folder  # noqa: E402


def half(a, b):
    return (a + b) // 2


@pytest.fixture()
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "source.py"
    path.write_text("one")
    return path


def never() -> None:
    raise AssertionError("compiled again")


def test_a_second_process_need_not_compile(source: Path) -> None:
    first = Compiled("half", 2, [source], lambda: half)
    assert first.call(3, 8) == 5 and first.path().is_file()
    second = Compiled("half", 2, [source], never)
    assert second.call(3, 8) == 5 and second.call(-7, 4) == -2


def test_other_sources_are_compiled_anew(source: Path) -> None:
    Compiled("half", 2, [source], lambda: half).call(1, 2)
    source.write_text("two")
    assert Compiled("half", 2, [source], lambda: lambda a, b: a - b).call(1, 2) == -1
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.parametrize(
    "damage", [lambda code: b"", lambda code: code[:-9], lambda code: code[:90] + b"!" + code[91:]]
)
def test_a_damaged_file_is_compiled_anew(source: Path, damage) -> None:
    first = Compiled("half", 2, [source], lambda: half)
    first.call(1, 2)
    first.path().write_bytes(damage(first.path().read_bytes()))
    assert Compiled("half", 2, [source], lambda: half).call(2, 8) == 5
    assert Compiled("half", 2, [source], never).call(2, 8) == 5


def test_a_folder_that_cannot_be_written_is_done_without(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(source))
    assert Compiled("half", 2, [], lambda: half).call(2, 8) == 5


def test_code_that_needs_numba_is_not_kept(source: Path) -> None:
    def room(a, b):
        return np.arange(a)[b]

    needy = Compiled("room", 2, [source], lambda: room)
    assert needy.call(9, 4) == 4 and not needy.path().exists()


def test_an_array_s_object_holds_the_address_of_its_data() -> None:
    import ctypes

    for array in (np.zeros(3), np.zeros((4, 5), np.int8)[1:], np.array(7)):
        assert ctypes.c_ssize_t.from_address(id(array) + DATA).value == array.ctypes.data


def test_a_process_that_finds_all_code_never_imports_numba() -> None:
    code = (
        "import sys, numpy as np\n"
        "from octogym.envs import batching_v0\n"
        "env = batching_v0.parallel_env(scenario='traffic-2')\n"
        "env.reset(seed=0)\n"
        "env.step({a: np.zeros(3, np.int64) for a in env.agents})\n"
        "print('numba' in sys.modules)\n"
    )
    said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert said[1].stdout == "False\n"


def test_arguments_may_be_given_once_for_many_calls(source: Path) -> None:
    function = Compiled("half", 2, [source], lambda: half)
    for bound in (function.bound(2**40, -4), function.bound(2**40, -4, brief=True)):
        assert [bound(), bound()] == [half(2**40, -4)] * 2 == [function.call(2**40, -4)] * 2
    with pytest.raises(TypeError, match="half takes 2 arguments, not 1"):
        function.bound(3)


def test_it_loads_without_assertions_too(source: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from octogym.cluster.compiled import Compiled\n"
        "from tests.cluster.test_compiled import half\n"
        "print(Compiled('half', 2, [Path(sys.argv[2])], lambda: half).call(3, 8))\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    said = subprocess.run([sys.executable, "-O", "-c", code, root, str(source)], capture_output=True, text=True)
    assert said.stdout == "5\n", said.stderr
