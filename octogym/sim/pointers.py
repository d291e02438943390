"""Raw pointers into NumPy arrays for the kernel.

Array arguments cost the kernel more than its work: each call passes seven words and counts references, each access
checks for a negative index. A `Region` is one word, its access one load. Regions of different names never overlap and
the
read-only ones do not change during a call; telling LLVM so lets it keep their words in registers. Only this module
makes them, from
C-contiguous arrays that outlive the call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from octogym.cluster.compiled import DATA, fetch_lines


class Region(types.Type):
    """Pointer to elements of `dtype` in the region `region`."""

    def __init__(self, dtype: types.Type, region: str, constant: bool) -> None:
        self.dtype, self.region, self.constant = dtype, region, constant
        super().__init__(name=f"Region({dtype}, {region}, {constant})")


@register_model(Region)
class _RegionModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, dmm.lookup(fe_type.dtype).get_data_type().as_pointer())


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        if isinstance(args[0], Region) and isinstance(args[1], types.Integer):
            return signature(args[0].dtype, args[0], types.intp)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args, kws):
        if isinstance(args[0], Region) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.intp, args[0].dtype)
        return None


def mark(builder, instruction, region):
    """Type-based alias metadata: an access to `region` touches no other region."""
    module = builder.module
    zero, one = ir.Constant(ir.IntType(64), 0), ir.Constant(ir.IntType(64), 1)
    kind = module.add_metadata([region.region, module.add_metadata(["octogym regions"]), zero])
    tag = [kind, kind, zero, one] if region.constant else [kind, kind, zero]
    instruction.set_metadata("tbaa", module.add_metadata(tag))


@lower_builtin(operator.getitem, Region, types.Integer)
def _load(context, builder, sig, args):
    value = builder.load(builder.gep(args[0], [args[1]]))
    mark(builder, value, sig.args[0])
    if sig.args[0].constant:
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@lower_builtin(operator.setitem, Region, types.Integer, types.Any)
def _store(context, builder, sig, args):
    mark(builder, builder.store(args[2], builder.gep(args[0], [args[1]])), sig.args[0])


def _region_maker(dtype: types.Type, region: str, constant: bool = False, held: bool = False) -> Callable[..., Any]:
    @intrinsic
    def make(typing, address, first):
        def build(context, builder, sig, args):
            pointer = context.get_value_type(dtype).as_pointer()
            if held:
                data = builder.add(args[0], ir.Constant(ir.IntType(64), DATA))
                base = builder.load(builder.inttoptr(data, pointer.as_pointer()))
            else:
                base = builder.inttoptr(args[0], pointer)
            return builder.gep(base, [args[1]])

        return Region(dtype, region, constant)(types.int64, types.int64), build

    return make


#: `x_region(address, first)`: what begins at element `first` of the array at `address`, one environment's part of it.
m_region, cells_region, log_region = (_region_maker(types.int64, name) for name in ("m", "cells", "log"))
plan_region, tab_region, where_region = (_region_maker(types.int64, name, True) for name in ("plan", "tab", "where"))
hist_region, todo_region = _region_maker(types.uint32, "hist"), _region_maker(types.int64, "todo")
#: Of a decision: `address` is that of the array's object.
active_region, share_region = (
    _region_maker(types.int8, "active", True, True),
    _region_maker(types.uint16, "share_milli", True, True),
)
pack_region, batch_region, pre_region, post_region = (
    _region_maker(types.int32, name, True, True) for name in ("pack", "batch", "pre", "post")
)
timeout_region = _region_maker(types.int64, "timeout_ns", True, True)
#: Of what a step writes.
counts_region, cameras_region, gpu_busy_region, links_region, times_region, age_region = (
    _region_maker(types.int64, name) for name in ("counts", "cameras", "gpu_busy", "links", "times", "age")
)
settings_region, queue_region, cpu_region = (_region_maker(types.int32, name) for name in ("settings", "queue", "cpu"))
flags_region, present_region = (_region_maker(types.int8, name) for name in ("flags", "present"))
shares_region = _region_maker(types.uint16, "shares")


@intrinsic
def call(typing, function, argument, e):
    """Call the compiled function at an address with two numbers."""

    def build(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word, word])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.int64(types.int64, types.int64, types.int64), build


@intrinsic
def fetch(typing, region, first, last):
    """Let the processor fetch elements `first` to `last` - 1 into its cache, meanwhile."""

    def build(context, builder, signature, args):
        word = ir.IntType(64)
        item = ir.Constant(word, context.get_abi_sizeof(context.get_data_type(region.dtype)))
        address = builder.ptrtoint(builder.gep(args[0], [args[1]]), word)
        fetch_lines(builder, address, builder.mul(builder.sub(args[2], args[1]), item))
        return context.get_dummy_value()

    return types.void(region, types.int64, types.int64), build
