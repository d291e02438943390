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
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model


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


def _mark(builder, instruction, region):
    """Type-based alias metadata: an access to `region` touches no other region."""
    module = builder.module
    zero, one = ir.Constant(ir.IntType(64), 0), ir.Constant(ir.IntType(64), 1)
    kind = module.add_metadata([region.region, module.add_metadata(["octogym regions"]), zero])
    tag = [kind, kind, zero, one] if region.constant else [kind, kind, zero]
    instruction.set_metadata("tbaa", module.add_metadata(tag))


@lower_builtin(operator.getitem, Region, types.Integer)
def _load(context, builder, sig, args):
    value = builder.load(builder.gep(args[0], [args[1]]))
    _mark(builder, value, sig.args[0])
    if sig.args[0].constant:
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@lower_builtin(operator.setitem, Region, types.Integer, types.Any)
def _store(context, builder, sig, args):
    _mark(builder, builder.store(args[2], builder.gep(args[0], [args[1]])), sig.args[0])


def _row_maker(region: str, constant: bool) -> Callable[..., Any]:
    @intrinsic
    def row(typing, array, index):
        if not (isinstance(array, types.Array) and array.layout == "C" and array.ndim == 2):
            raise TypeError(f"a region is a row of a C-contiguous 2-D array, not of {array}")

        def build(context, builder, sig, args):
            view = context.make_array(array)(context, builder, args[0])
            width = cgutils.unpack_tuple(builder, view.shape, 2)[1]
            return builder.gep(view.data, [builder.mul(args[1], width)])

        return Region(array.dtype, region, constant)(array, types.intp), build

    return row


#: `x_region(array, row)`: the region of one environment, a row of `array` [E, words].
m_region = _row_maker("m", False)
cells_region = _row_maker("cells", False)
hist_region = _row_maker("hist", False)
log_region = _row_maker("log", False)
plan_region = _row_maker("plan", True)
tab_region = _row_maker("tab", True)
