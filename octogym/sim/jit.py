"""How the kernel is compiled."""

from __future__ import annotations

import numba
from numba.core import types
from numba.extending import intrinsic

_OPTIONS = {"error_model": "numpy", "boundscheck": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Parts of the kernel: compiled into whoever calls them, kept with the entry points of `entry`. `forceinline` is said
#: because what a `small` function calls would else inherit its option.
jit = numba.njit(forceinline=False, **_OPTIONS)
#: A function on the hot path: LLVM puts it into every caller. A call costs some thirty instructions for arguments and
#: registers, as much as many of these functions.
small = numba.njit(forceinline=True, **_OPTIONS)


@intrinsic
def rarely(typing):
    """First line of a function that is hardly ever called: LLVM keeps it out of its callers, whose other ways are the
    short ones then."""

    def build(context, builder, signature, args):
        for attribute in ("noinline", "cold"):
            builder.function.attributes.add(attribute)
        return context.get_dummy_value()

    return types.void(), build
