"""Numba compiling one function and all that it calls in half of the time.

What this changes of Numba's is not public: where a name is another one, Numba does as it always does. The machine code
does the same.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple


@contextmanager
def quickly() -> Iterator[None]:
    """What is compiled meanwhile is neither optimised nor can it be run: its LLVM code is all there is.

    Functions of numbers are meant, without closures, exceptions, array expressions and the like: others fail here.
    """
    with ExitStack() as stack:
        for way in (_without_collection, _types_remembered, _few_passes, _refreshed_once, _untimed, _as_written):
            stack.enter_context(way())
        yield


@contextmanager
def _replaced(owner: Any, name: str, own: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, own)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nearly all that the compiler makes lives until it is done: looking for garbage finds none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _types_remembered() -> Iterator[None]:
    """Numba finds out anew for each a + b which of a dozen ways to add takes such types, NumPy's slow ones first. Here
    it is asked once for each operation and types of its arguments."""
    try:
        from numba.core import types
        from numba.core.types import functions

        owner: Any = functions.BaseFunction
        ask: Any = vars(owner)["get_call_type"]
        unliteral: Any = vars(types)["unliteral"]
    except (ImportError, AttributeError, KeyError):
        yield
        return
    found: Dict[Tuple[Any, ...], Any] = {}
    asked = []  # keeps them alive: they are known by their ids

    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws or any(template.prefer_literal for template in self.templates):
            return ask(self, context, args, kws)
        # Types without their values are tried first, and mostly do.
        plain = tuple(unliteral(each) for each in args)
        key = (id(self), id(context), plain)
        signature = found.get(key)
        if signature is None:
            signature = ask(self, context, args, kws)
            if plain == tuple(args):
                found[key] = signature
                asked.append((self, context))
        return signature

    with _replaced(owner, "get_call_type", get_call_type):
        yield


@contextmanager
def _few_passes() -> Iterator[None]:
    """Numba goes over each function thirty times, for closures, generators, array expressions, reference counts and
    whatever else there may be, and works out after most of them anew which variables live where. Here it goes over
    it nine times, and needs no such thing."""
    try:
        from numba.core import compiler, typed_passes, untyped_passes
        from numba.core import compiler_machinery as machinery

        untyped = "TranslateByteCode", "FixupArgs", "IRProcessing", "GenericRewrites", "ReconstructSSA"
        typed = "NopythonTypeInference", "PreLowerStripPhis", "NativeLowering", "NoPythonBackend"
        passes: List[Any] = [getattr(untyped_passes, name) for name in untyped]
        passes += [getattr(typed_passes, name) for name in typed]
        registry: Any = vars(machinery)["_pass_registry"]
        owner: Any = vars(compiler)["Compiler"]
        base: Any = vars(machinery)["PassManager"]
        instances = [registry.get(each).pass_inst for each in passes]
        assert callable(owner.define_pipelines)
    except (ImportError, AttributeError, KeyError):
        yield
        return

    class Passes(base):
        def run(self, state: Any) -> None:
            for each in instances:
                each.analysis = self._analysis
                each.run_initialization(state)
                each.run_pass(state)
                each.run_finalizer(state)

    def define_pipelines(self: Any) -> List[Any]:
        manager = Passes("nopython")
        for each in passes:
            manager.add_pass(each, "")
        manager.finalize()
        return [manager]

    with _replaced(owner, "define_pipelines", define_pipelines):
        yield


@contextmanager
def _refreshed_once() -> Iterator[None]:
    """Numba looks before each function whether somebody has taught it something since the last one."""
    try:
        from numba.core import base, typing

        owners = [vars(base)["BaseContext"], vars(typing)["BaseContext"]]
        theirs = [vars(owner)["refresh"] for owner in owners]
    except (ImportError, AttributeError, KeyError):
        yield
        return
    done: Set[int] = set()

    def once(refresh: Callable[[Any], None]) -> Callable[[Any], None]:
        def own(self: Any) -> None:
            if id(self) not in done:
                done.add(id(self))
                refresh(self)

        return own

    with ExitStack() as stack:
        for owner, refresh in zip(owners, theirs):
            stack.enter_context(_replaced(owner, "refresh", once(refresh)))
        yield


@contextmanager
def _untimed() -> Iterator[None]:
    """Numba times each function with all that it calls: a stopwatch for every one of them, at every call of LLVM."""
    try:
        from numba.core import event

        assert callable(event.install_timer)
    except (ImportError, AttributeError):
        yield
        return
    with _replaced(event, "install_timer", lambda *of: nullcontext()):
        yield


@contextmanager
def _as_written() -> Iterator[None]:
    """Numba optimises every function by itself, then together with all that it calls, and emits machine code for each:
    half of the time. Here it does neither: `compiled` optimises what it keeps, once."""
    from numba.core import codegen

    library, engine = getattr(codegen, "JITCodeLibrary", None), getattr(codegen, "JITCPUCodegen", None)
    parts = (
        (library, "_optimize_functions"),
        (library, "_optimize_final_module"),
        (library, "_finalize_final_module"),
        (engine, "set_env"),
    )
    theirs = {(owner, method): getattr(owner, method, None) for owner, method in parts}
    if None in theirs.values() or not hasattr(library, "_finalize_dynamic_globals"):
        yield
        return

    def lay_out_only(self: Any, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def leave(self: Any) -> None:
        pass

    def emit_nothing(self: Any) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def no_environment(self: Any, env_name: str, env: Any) -> None:
        """It would be written into the machine code."""

    with ExitStack() as stack:
        for (owner, method), own in zip(parts, (lay_out_only, leave, emit_nothing, no_environment)):
            stack.enter_context(_replaced(owner, method, own))
        yield
