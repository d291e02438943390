"""What the compiled loops reach arrays with: their addresses."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from octogym.cluster.compiled import fetch_lines


def _reader(kind: Any) -> Any:
    @intrinsic
    def read(typing: Any, address: Any, index: Any) -> Any:
        """The value at `index` of the array at `address`."""

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first = builder.inttoptr(args[0], context.get_value_type(kind).as_pointer())
            return builder.load(builder.gep(first, [args[1]]))

        return kind(types.int64, types.int64), build

    return read


def _writer(kind: Any) -> Any:
    @intrinsic
    def write(typing: Any, address: Any, index: Any, value: Any) -> Any:
        """Put `value` at `index` of the array at `address`."""

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first = builder.inttoptr(args[0], context.get_value_type(kind).as_pointer())
            builder.store(args[2], builder.gep(first, [args[1]]))
            return context.get_dummy_value()

        return types.none(types.int64, types.int64, kind), build

    return write


@intrinsic
def fetch(typing: Any, address: Any, count: Any) -> Any:
    """Let the processor fetch `count` bytes from `address` on into its cache, meanwhile."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        fetch_lines(builder, *args)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), build


#: Array accesses without an array: nothing is counted, checked or passed, and LLVM has next to nothing to compile.
int8, int32, int64, uint32 = (_reader(kind) for kind in (types.int8, types.int32, types.int64, types.uint32))
float32, float64 = _reader(types.float32), _reader(types.float64)
put_int8, put_int32, put_int64 = (_writer(kind) for kind in (types.int8, types.int32, types.int64))
put_uint32, put_float32, put_float64 = (_writer(kind) for kind in (types.uint32, types.float32, types.float64))
