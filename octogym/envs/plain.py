"""Where NumPy's array objects hold what: compiled code looks at a step's actions as they are handed in.

From Python, looking at sixteen small arrays takes longer than all that is done with their content. The fields and
their order are those of `PyArrayObject_fields`, which NumPy keeps for the extensions that are built against it.
"""

from __future__ import annotations

import ctypes

import numpy as np

from octogym.cluster.compiled import DATA

#: Bytes from an object's address to each field; `DATA` is the first of NumPy's own.
TYPE, ND, DIMENSIONS, STRIDES, DTYPE, FLAGS = DATA - 8, DATA + 8, DATA + 16, DATA + 24, DATA + 40, DATA + 48
#: The flag of an array whose numbers lie where the processor likes them.
ALIGNED = 0x100
#: What stands at TYPE and DTYPE of a plain array of native int64.
ARRAY, INT64 = id(np.ndarray), id(np.dtype(np.int64))
#: From a tuple's address to its first item.
ITEMS = tuple.__basicsize__


def as_known() -> bool:
    """Whether arrays of this interpreter and NumPy look as stated here."""
    array = np.zeros((5, 4), np.int64)[::2]
    pair = ("", array)
    words = [_word(id(array) + at) for at in (TYPE, DATA, DTYPE)]
    words += [ctypes.c_int32.from_address(id(array) + ND).value, _word(id(pair) + ITEMS + 8)]
    for at in (DIMENSIONS, STRIDES):
        words += [_word(_word(id(array) + at) + 8 * n) for n in range(2)]
    flags = ctypes.c_int32.from_address(id(array) + FLAGS).value
    return words == [ARRAY, array.ctypes.data, INT64, 2, id(array), 3, 4, 64, 8] and flags == array.flags.num


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


#: Where not, actions are looked at in Python.
KNOWN = as_known()
