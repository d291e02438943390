"""The least word of a block, and where it lies: a few vector instructions and no branch."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from octogym.sim.layout import BLOCK
from octogym.sim.pointers import mark

_WORDS = ir.VectorType(ir.IntType(64), BLOCK)


def _load(builder, region, pointer, first):
    words = builder.load(builder.bitcast(builder.gep(pointer, [first]), _WORDS.as_pointer()))
    words.align = 8
    mark(builder, words, region)
    return words


def _all(builder, word):
    """A block of which every word is `word`."""
    one = builder.insert_element(ir.Constant(_WORDS, ir.Undefined), word, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [0] * BLOCK)
    return builder.shuffle_vector(one, one, zeros)


@intrinsic
def least(typing, region, first):
    """The least of the block of int64 words that begins at `first`."""

    def build(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(64), [_WORDS])
        name = f"llvm.vector.reduce.smin.v{BLOCK}i64"
        return builder.call(
            cgutils.get_or_insert_function(builder.module, kind, name),
            [_load(builder, signature.args[0], *args)],
        )

    return types.int64(region, types.int64), build


@intrinsic
def place_of(typing, region, first, word):
    """Where `word`, which is in the block that begins at `first`, first stands in it."""

    def build(context, builder, signature, args):
        words = _load(builder, signature.args[0], *args[:2])
        alike = builder.icmp_signed("==", words, _all(builder, args[2]))
        bits = builder.zext(builder.bitcast(alike, ir.IntType(BLOCK)), ir.IntType(64))
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))

    return types.int64(region, types.int64, types.int64), build
