"""Where NumPy's arrays and CPython's objects hold what: compiled code looks at a step's actions as they are handed in,
and whether what was handed out is still held.

From Python, looking at sixteen small arrays takes longer than all that is done with their content. The fields and
their order are those of `PyArrayObject_fields`, which NumPy keeps for the extensions that are built against it.
"""

from __future__ import annotations

import ctypes
import sysconfig

import numpy as np

from octogym.cluster.compiled import DATA

#: Bytes from an object's address to each field; `DATA` is the first of NumPy's own.
TYPE, ND, DIMENSIONS, STRIDES, DTYPE, FLAGS, WEAK = (DATA + at for at in (-8, 8, 16, 24, 40, 48, 56))
#: Bytes from any object's address to the count of references to it, and from a dict's to that of its items.
COUNT, USED = DATA - 16, DATA
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
    words = [word(id(array) + at) for at in (TYPE, DATA, DTYPE)]
    words += [ctypes.c_int32.from_address(id(array) + ND).value, word(id(pair) + ITEMS + 8)]
    for at in (DIMENSIONS, STRIDES):
        words += [word(word(id(array) + at) + 8 * n) for n in range(2)]
    flags = ctypes.c_int32.from_address(id(array) + FLAGS).value
    return words == [ARRAY, array.ctypes.data, INT64, 2, id(array), 3, 4, 64, 8] and flags == array.flags.num


def as_counted() -> bool:
    """Whether references are counted as stated here: who holds an object, or anything that lies in its memory, has
    counted it."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    block, key = np.zeros((2, 3)), {"a": 1, "b": 2}
    rows = [*block]
    at = [address + COUNT for address in map(id, [*rows, block])]
    free = [*map(word, at)]
    part, held = rows[0][1:], [block, rows[1]]
    counted = [now - before for now, before in zip(map(word, at), free, strict=True)]
    del part, held
    return free[:2] == [1, 1] and counted == [0, 1, 2] and [*map(word, at)] == free and word(id(key) + USED) == 2


def word(address: int) -> int:
    """The int64 at an address."""
    return ctypes.c_int64.from_address(address).value


#: Where not, actions are looked at in Python.
KNOWN = as_known()
#: Where not, nothing that was handed out serves again.
COUNTED = KNOWN and as_counted()
