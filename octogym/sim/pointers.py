"""Raw pointers into NumPy arrays for the kernel.

Array arguments cost the kernel more than its work: each call passes seven words and counts references, each access
checks for a negative index. A pointer is one word and its access one load. Only this module makes them, from
C-contiguous arrays that outlive the call.
"""

from __future__ import annotations

from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def row_pointer(typing, array, row):
    """Pointer to the first element of `array[row]`; array C-contiguous, 2-D."""
    if not (isinstance(array, types.Array) and array.layout == "C" and array.ndim == 2):
        raise TypeError(f"row_pointer takes a C-contiguous 2-D array, not {array}")
    result = types.CPointer(array.dtype)

    def build(context, builder, signature, args):
        view = context.make_array(array)(context, builder, args[0])
        width = cgutils.unpack_tuple(builder, view.shape, 2)[1]
        return builder.gep(view.data, [builder.mul(args[1], width)])

    return result(array, types.intp), build


@intrinsic
def pointer(typing, array):
    """Pointer to the first element of a C-contiguous 1-D array."""
    if not (isinstance(array, types.Array) and array.layout == "C" and array.ndim == 1):
        raise TypeError(f"pointer takes a C-contiguous 1-D array, not {array}")
    result = types.CPointer(array.dtype)

    def build(context, builder, signature, args):
        return context.make_array(array)(context, builder, args[0]).data

    return result(array), build
