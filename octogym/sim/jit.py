"""How the kernel is compiled."""

from __future__ import annotations

import numba

_OPTIONS = {"error_model": "numpy", "boundscheck": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Parts of the kernel: compiled into whoever calls them, kept with the entry points of `entry`. `forceinline` is said
#: because what a `small` function calls would else inherit its option.
jit = numba.njit(forceinline=False, **_OPTIONS)
#: A function of a few lines on the hot path: LLVM puts it into every caller.
small = numba.njit(forceinline=True, **_OPTIONS)
