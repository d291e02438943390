"""Compiled functions whose machine code is kept on disk: a process that finds it there never imports the compiler.

Numba's own cache keeps the code too, but to call it Numba types the arguments, for which it loads itself whole.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import sys
import threading
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Optional

import numpy as np

from octogym.cluster import compiling

#: All that kept code may call. Whatever else it refers to is not there without Numba.
_LIBRARY = frozenset(("memset", "memcpy", "memmove"))
#: Where an array's object holds the address of its data: first after what all objects have. Asking NumPy for it costs
#: a microsecond, asking the object's own address nearly nothing.
DATA = object.__basicsize__
#: Bytes of a line of the cache, and how lines are fetched: to be read, into the second level, as data.
_LINE, _HOW = 64, (0, 2, 1)
_HEADER = len(hashlib.sha256().digest())
_lock = threading.RLock()
_said: list[str] = []


class Compiled:
    """A function of int64 arguments that returns an int64; arrays reach it by their addresses.

    `call(*arguments)` runs it without the interpreter lock, `bound(*arguments)()` too. The first call loads the machine
    code, or compiles it and keeps it in `cache_folder()`. What is kept is of use to the same sources, versions and
    processor only; a file that is damaged or of something else is not used, and one that cannot be written is done
    without.

    Args:
        name: of the file.
        arguments: how many.
        sources: files whose text the function is made of.
        define: returns the Python function that Numba compiles; only called where that is necessary.
        short_loops: its loops take a few turns: not to be unrolled and vectorised, which makes long code of them.
    """

    def __init__(
        self,
        name: str,
        arguments: int,
        sources: Iterable[Path],
        define: Callable[[], Callable[..., Any]],
        short_loops: bool = False,
    ) -> None:
        self.name, self._arguments, self._sources, self._define = name, arguments, tuple(sources), define
        self._short_loops = short_loops
        self._kept_alive: list[Any] = []
        self._address: Optional[int] = None
        self.call: Callable[..., int] = self._first_call

    @property
    def address(self) -> int:
        """Where its machine code lies."""
        with _lock:
            if self._address is None:
                self._address = self._prepare()
            return self._address

    def bound(self, *arguments: int, brief: bool = False) -> Callable[[], int]:
        """`call` with these arguments, which are converted once: that takes longer than the call. `brief`: it takes
        microseconds, for which the interpreter lock is not given up."""
        if len(arguments) != self._arguments:
            raise TypeError(f"{self.name} takes {self._arguments} arguments, not {len(arguments)}")
        kind = ctypes.PYFUNCTYPE if brief else ctypes.CFUNCTYPE
        function: Any = kind(ctypes.c_int64)(self.address)
        return partial(function, *[ctypes.c_int64(argument) for argument in arguments])

    def _first_call(self, *arguments: int) -> int:
        self.call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * self._arguments)(self.address)
        return self.call(*arguments)

    def _prepare(self) -> int:
        path = self.path()
        code = _read(path)
        if code is None:
            with _told():
                code = self._compile()
                address = self._address_in_numba() if code is None else self._load(code)
            if code is not None:
                _write(path, code)
        else:
            address = self._load(code)
        return address

    def path(self) -> Path:
        """Where its machine code is kept."""
        from importlib.metadata import version

        import llvmlite.binding as llvm

        digest = hashlib.sha256()
        for source in (Path(__file__), Path(compiling.__file__), *self._sources):
            digest.update(source.read_bytes())
        features = llvm.get_host_cpu_features().flatten()
        for part in (
            *(self.name, sys.version, platform.machine(), np.__version__, version("numba"), version("llvmlite")),
            *(llvm.get_process_triple(), llvm.get_host_cpu_name(), features, os.environ.get("NUMBA_OPT", "")),
        ):
            digest.update(part.encode() + b"\0")
        return cache_folder() / f"octogym-{self.name}-{digest.hexdigest()[:24]}.code"

    def _load(self, code: bytes) -> int:
        import llvmlite.binding as llvm

        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        self._kept_alive.append(engine)
        address: int = engine.get_function_address(self.name)
        return address

    def _compile(self) -> Optional[bytes]:
        """The function's machine code; None if it cannot do without Numba."""
        import llvmlite.binding as llvm

        python = self._define()
        try:
            with compiling.quickly():
                function = self._in_numba(python)
        except Exception:
            # Whatever it was, Numba's own way either does it or says it better.
            function = self._in_numba(python)
        module = llvm.parse_assembly(function.inspect_llvm())
        for part in (*module.functions, *module.global_variables):
            if not part.is_declaration and part.name != function.native_name:
                part.linkage = "internal"
        module.get_function(function.native_name).name = self.name
        _optimise(module, self._short_loops)
        outside = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
        outside |= {variable.name for variable in module.global_variables if variable.is_declaration}
        if not outside <= _LIBRARY:
            return None
        code: bytes = _machine().emit_object(module)
        return code

    def _in_numba(self, python: Callable[..., Any]) -> Any:
        import numba
        from numba import types

        signature = types.int64(*[types.int64] * self._arguments)
        return numba.cfunc(signature, error_model="numpy", boundscheck=False)(python)

    def _address_in_numba(self) -> int:
        function = self._in_numba(self._define())
        self._kept_alive.append(function)
        address: int = function.address
        return address


def _machine() -> Any:
    """The processor, as Numba describes it to LLVM."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if platform.machine() in ("x86_64", "AMD64") else "default",
        codemodel="jitdefault",
        jit=True,
    )


def _optimise(module: Any, short_loops: bool) -> None:
    """As LLVM does it; then leave out what nobody calls: none of these functions raises, so Numba's ways of raising are
    among it."""
    import llvmlite.binding as llvm
    from numba.core import config

    options = llvm.PipelineTuningOptions(speed_level=min(int(config.OPT), 1 if short_loops else 3))
    options.loop_unrolling = options.loop_vectorization = not short_loops
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, builder)


def fetch_lines(builder: Any, address: Any, size: Any) -> None:
    """For an intrinsic of Numba: code that lets the processor fetch `size` bytes from `address` on, both int64, into
    its cache meanwhile."""
    from llvmlite import ir
    from numba.core import cgutils

    word, byte, flag = ir.IntType(64), ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    with cgutils.for_range_slice(builder, ir.Constant(word, 0), size, ir.Constant(word, _LINE)) as (at, _):
        pointer = builder.inttoptr(builder.add(address, at), byte)
        builder.call(prefetch, [pointer, *(ir.Constant(flag, k) for k in _HOW)])


def cache_folder() -> Path:
    """NUMBA_CACHE_DIR, else beside the package, else the user's folder for caches."""
    told = os.environ.get("NUMBA_CACHE_DIR")
    if told:
        return Path(told)
    beside = Path(__file__).parent / "__pycache__"
    with suppress(OSError):
        beside.mkdir(exist_ok=True)
    if os.access(beside, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "octogym"


def _read(path: Path) -> Optional[bytes]:
    """What `_write` wrote; None if it is not there or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code = data[_HEADER:]
    return code if code and hashlib.sha256(code).digest() == data[:_HEADER] else None


def _write(path: Path, code: bytes) -> None:
    """All at once: another process sees the whole file or none."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(hashlib.sha256(code).digest() + code)
            os.replace(str(part), str(path))
        finally:
            with suppress(OSError):
                part.unlink()


@contextmanager
def _told() -> Iterator[None]:
    """Says on standard error that it compiles, the first time that it takes more than a second."""
    timer = threading.Timer(1.0, _say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say() -> None:
    if not _said:
        _said.append("said")
        sys.stderr.write("octogym: compiling the simulator, once per installation (about a quarter of a minute) ...\n")
        sys.stderr.flush()
