"""How the kernel is compiled."""

from __future__ import annotations

import numba

_OPTIONS = {"error_model": "numpy", "boundscheck": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Parts of the kernel: compiled into whoever calls them, cached with the entry points of `entry`. LLVM optimises each
#: together with all that it calls, so a long chain of calls costs seconds of compiling per link.
jit = numba.njit(**_OPTIONS)
#: A link pasted into its only caller.
inline = numba.njit(inline="always", **_OPTIONS)
#: A function of a few lines on the hot path: LLVM puts it into every caller.
small = numba.njit(forceinline=True, **_OPTIONS)
