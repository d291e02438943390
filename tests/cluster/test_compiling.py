"""The quicker way through Numba gives the same functions, and leaves Numba as it was."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

numba = pytest.importorskip("numba")

from octogym.cluster.compiled import Compiled  # noqa: E402
from octogym.cluster.compiling import quickly  # noqa: E402


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))


def mixed(a, b):
    """The same operations on whole numbers, fractions, truth values and constants."""
    share = a / 8
    total = (a + 1) * (b + 1) + (a > b) + (share > 0.5) + (share + 1 > 2)
    while total % 7 != 3:
        total += 1 if total < 40 else -3
    return total - a // 3 + a % b + (total >> 1) + int(share * 16) + int(2**0.5 * 10)


@pytest.mark.parametrize("short_loops", [False, True])
@pytest.mark.parametrize(("a", "b"), [(5, 2), (9, 4), (-7, 3), (64, 1)])
def test_a_function_computes_what_it_does_in_python(a: int, b: int, short_loops: bool, tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text("")
    assert Compiled("mixed", 2, [source], lambda: mixed, short_loops).call(a, b) == mixed(a, b)


@pytest.mark.parametrize("collecting", [True, False])
def test_numba_and_garbage_collection_are_as_they_were_also_after_an_error(collecting: bool) -> None:
    from numba.core import codegen
    from numba.core.types.functions import BaseFunction

    before = BaseFunction.get_call_type, codegen.JITCodeLibrary._finalize_final_module, gc.isenabled()
    try:
        gc.enable() if collecting else gc.disable()
        with pytest.raises(KeyError), quickly():
            assert BaseFunction.get_call_type is not before[0] and not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is collecting
    finally:
        gc.enable() if before[2] else gc.disable()
    assert (BaseFunction.get_call_type, codegen.JITCodeLibrary._finalize_final_module) == before[:2]


def test_where_numba_has_other_insides_it_compiles_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import codegen
    from numba.core.types.functions import BaseFunction

    class Other:
        pass

    monkeypatch.setattr(codegen, "JITCodeLibrary", Other)
    monkeypatch.delattr(BaseFunction, "get_call_type")
    with quickly():
        assert not vars(Other).get("_finalize_final_module")
        assert "get_call_type" not in vars(BaseFunction)


def test_what_only_numba_s_own_way_can_is_compiled_that_way(tmp_path: Path) -> None:
    def summed(a, b):
        return sum([n * b for n in range(a)])  # a closure, a list

    source = tmp_path / "source.py"
    source.write_text("")
    with pytest.raises(numba.core.errors.NumbaError), quickly():
        numba.cfunc("int64(int64, int64)")(summed)
    assert Compiled("summed", 2, [source], lambda: summed).call(5, 3) == 30


@pytest.mark.slow
def test_every_compiled_function_of_ours_goes_the_quick_way() -> None:
    """In a new process: what this one has compiled is known to Numba already."""
    code = (
        "import sys\n"
        "from octogym.cluster import compiled\n"
        "from octogym.sim import entry\n"
        "from octogym.envs import loops\n"
        "from octogym.scheduler.octocross import attention, inference\n"
        "ours = [each for module in (loops, entry, attention, inference) for each in vars(module).values()\n"
        "        if isinstance(each, compiled.Compiled)]\n"
        "tries = []\n"
        "once = compiled.Compiled._in_numba\n"
        "compiled.Compiled._in_numba = lambda self, python: tries.append(self.name) or once(self, python)\n"
        "kept = [each._compile() is not None for each in ours]\n"
        "print(all(kept), tries == [each.name for each in ours], len(ours))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "True True 11\n"
