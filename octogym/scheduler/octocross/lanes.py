"""Sixteen numbers at once for the compiled encoder: loads, stores and arithmetic on vectors of float32.

LLVM maps them to the processor's own vectors, whatever their length. Written out, since the loops of the encoder are
too short for LLVM's vectoriser, which must also doubt that arrays known by address do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

#: Numbers in a vector.
LANES = 16
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR, _BITS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
#: The exponential's range, beyond which it stays at its ends; base 2 and its logarithm in two parts (Cephes, expf).
_LEAST, _MOST = -87.0, 88.0
_LOG2_E, _LN2, _LN2_REST = 1.44269504088896341, 0.693359375, -2.12194440e-4
_POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
#: Adding this rounds to a whole number and leaves it in the lowest bits.
_ROUND = 12582912.0


class Lanes(types.Type):
    """A vector of float32."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


_lanes = Lanes()


@register_model(Lanes)
class _Vector(models.PrimitiveModel):
    def __init__(self, dmm: Any, kind: Any) -> None:
        super().__init__(dmm, kind, _VECTOR)


def _pointer(builder: Any, address: Any, index: Any, kind: Any) -> Any:
    first = builder.gep(builder.inttoptr(address, _FLOAT.as_pointer()), [index])
    return builder.bitcast(first, kind.as_pointer())


def _constant(value: float) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_FLOAT, value)] * LANES)


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)


def _muladd(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return _call(builder, f"llvm.fmuladd.v{LANES}f32", a, b, c)


def _spread(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_BITS, [0] * LANES))


def _of_vectors(count: int, build: Callable[..., Any]) -> Any:
    """A function of so many vectors that gives one."""
    signature = _lanes(*[_lanes] * count)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build(builder, *args)

    if count == 1:

        @intrinsic
        def one(typing: Any, a: Any) -> Any:
            return signature, lower

        return one
    if count == 2:

        @intrinsic
        def two(typing: Any, a: Any, b: Any) -> Any:
            return signature, lower

        return two

    @intrinsic
    def three(typing: Any, a: Any, b: Any, c: Any) -> Any:
        return signature, lower

    return three


def _exp(builder: Any, x: Any) -> Any:
    x = _call(builder, f"llvm.maxnum.v{LANES}f32", x, _constant(_LEAST))
    x = _call(builder, f"llvm.minnum.v{LANES}f32", x, _constant(_MOST))
    rounded = _muladd(builder, x, _constant(_LOG2_E), _constant(_ROUND))
    whole = builder.fsub(rounded, _constant(_ROUND))
    rest = _muladd(builder, whole, _constant(-_LN2), x)
    rest = _muladd(builder, whole, _constant(-_LN2_REST), rest)
    sum_ = _constant(_POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        sum_ = _muladd(builder, sum_, rest, _constant(coefficient))
    power = builder.fadd(_muladd(builder, sum_, builder.fmul(rest, rest), rest), _constant(1.0))
    shift = ir.Constant(_BITS, [ir.Constant(_INT, 23)] * LANES)
    exponent = builder.shl(builder.bitcast(rounded, _BITS), shift)
    return builder.bitcast(builder.add(builder.bitcast(power, _BITS), exponent), _VECTOR)


add = _of_vectors(2, lambda builder, a, b: builder.fadd(a, b))
subtract = _of_vectors(2, lambda builder, a, b: builder.fsub(a, b))
multiply = _of_vectors(2, lambda builder, a, b: builder.fmul(a, b))
divide = _of_vectors(2, lambda builder, a, b: builder.fdiv(a, b))
larger = _of_vectors(2, lambda builder, a, b: _call(builder, f"llvm.maxnum.v{LANES}f32", a, b))
#: a * b + c
muladd = _of_vectors(3, _muladd)
#: To 1e-7 of its value, between exp(-87) and exp(88).
exp = _of_vectors(1, _exp)
root = _of_vectors(1, lambda builder, a: _call(builder, f"llvm.sqrt.v{LANES}f32", a))


@intrinsic
def total(typing: Any, vector: Any) -> Any:
    """The sum of its numbers, in whatever order is quickest."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(function, [ir.Constant(_FLOAT, -0.0), args[0]], fastmath=("reassoc",))

    return types.float32(_lanes), build


@intrinsic
def load(typing: Any, address: Any, index: Any) -> Any:
    """The vector from `index` on of the float32 array at `address`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _VECTOR), align=4)

    return _lanes(types.int64, types.int64), build


@intrinsic
def store(typing: Any, address: Any, index: Any, value: Any) -> Any:
    """Put a vector there."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _VECTOR), align=4)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, _lanes), build


@intrinsic
def spread(typing: Any, value: Any) -> Any:
    """A vector of one number."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return _lanes(types.float32), build


@intrinsic
def spread_at(typing: Any, address: Any, index: Any) -> Any:
    """A vector of the one number at `index` of the float32 array at `address`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, builder.load(_pointer(builder, args[0], args[1], _FLOAT)))

    return _lanes(types.int64, types.int64), build


@intrinsic
def float32(typing: Any, address: Any, index: Any) -> Any:
    """The number at `index` of the float32 array at `address`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _FLOAT))

    return types.float32(types.int64, types.int64), build


@intrinsic
def put_float32(typing: Any, address: Any, index: Any, value: Any) -> Any:
    """Put a number there."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _FLOAT))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.float32), build


@intrinsic
def int32(typing: Any, address: Any, index: Any) -> Any:
    """The number at `index` of the int32 array at `address`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _INT))

    return types.int32(types.int64, types.int64), build


@intrinsic
def put_int32(typing: Any, address: Any, index: Any, value: Any) -> Any:
    """Put a number there."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _INT))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int32), build
