"""How the kernel is compiled."""

from __future__ import annotations

import numba

_OPTIONS = {"error_model": "numpy", "boundscheck": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Parts of the kernel: compiled into whoever calls them, cached with the entry points of `entry`.
jit = numba.njit(**_OPTIONS)
#: Parts with one caller, or of one line: pasted into it. LLVM optimises each compiled function with all that it
#: calls, so every
#: level of calls that is not compiled on its own saves seconds of compiling.
inline = jit
