"""What an instruction or two do with a number's bits, and Python has no word for."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def high_product(typing, a, b):
    """The upper 64 of the 128 bits of a product of two uint64."""

    def build(context, builder, signature, args):
        word, wide = ir.IntType(64), ir.IntType(128)
        product = builder.mul(*(builder.zext(x, wide) for x in args))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)

    return types.uint64(types.uint64, types.uint64), build


@intrinsic
def float_bits(typing, x):
    """An int64 as a double: its sign, exponent and mantissa as an int64."""

    def build(context, builder, signature, args):
        return builder.bitcast(builder.sitofp(args[0], ir.DoubleType()), ir.IntType(64))

    return types.int64(types.int64), build
