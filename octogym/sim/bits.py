"""The position of a number's highest bit, in one instruction."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def bit_length(typing, x):
    """`int.bit_length` of a positive int64."""

    def build(context, builder, signature, args):
        word = ir.IntType(64)
        zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(word, 64), zeros)

    return types.int64(types.int64), build
