"""Numba compiling one function and all that it calls in less than half of the time.

What this changes of Numba's is not public: where a name is another one, Numba does as it always does. The machine code
is the same.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager
from typing import Any, Dict, Iterator, Tuple


@contextmanager
def quickly(name: str) -> Iterator[None]:
    """Compile the Python function of the qualified name `name`; what is compiled meanwhile cannot be run."""
    with ExitStack() as stack:
        for way in (_without_collection(), _types_remembered(), _whole_only(name)):
            stack.enter_context(way)
        yield


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

    owner.get_call_type = get_call_type
    try:
        yield
    finally:
        owner.get_call_type = ask


@contextmanager
def _whole_only(name: str) -> Iterator[None]:
    """Numba optimises every function together with all that it calls, and emits machine code for each: half of the
    time. Here it only optimises the outermost, `name`, and emits nothing."""
    from numba.core import codegen

    library, engine = getattr(codegen, "JITCodeLibrary", None), getattr(codegen, "JITCPUCodegen", None)
    parts = (library, "_optimize_final_module"), (library, "_finalize_final_module"), (engine, "set_env")
    theirs = {(owner, method): getattr(owner, method, None) for owner, method in parts}
    if None in theirs.values() or not hasattr(library, "_finalize_dynamic_globals"):
        yield
        return
    optimise: Any = theirs[library, "_optimize_final_module"]

    def optimise_whole(self: Any) -> None:
        if name in self.name:
            optimise(self)

    def emit_nothing(self: Any) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def no_environment(self: Any, env_name: str, env: Any) -> None:
        """It would be written into the machine code."""

    try:
        for (owner, method), own in zip(parts, (optimise_whole, emit_nothing, no_environment)):
            setattr(owner, method, own)
        yield
    finally:
        for (owner, method), original in theirs.items():
            setattr(owner, method, original)
