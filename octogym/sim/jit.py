"""How the kernel is compiled."""

from __future__ import annotations

import numba

#: Parts of the kernel: compiled into whoever calls them, cached with the entry points of `kernel`.
jit = numba.njit(error_model="numpy", nogil=True, boundscheck=False)
