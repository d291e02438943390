import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from octogym.bridge.protocol import ProtocolError
from octogym.bridge.protocol.messages import Table
from octogym.bridge.protocol.tables import ALIGN, DTYPES, expect, pack, unpack


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(list(DTYPES.values())).flatmap(
            lambda dtype: arrays(
                dtype,
                array_shapes(min_dims=0, min_side=0),
                elements={"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else None,
            )
        ),
        max_size=4,
    )
)
def test_arrays_come_back_as_they_were(given_arrays):
    named = {f"array.{k}": array for k, array in enumerate(given_arrays)}
    tables, payload = pack(named)
    assert len(payload) % ALIGN == 0
    found = unpack(tables, payload)
    assert list(found) == list(named)
    for name, array in named.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)


@pytest.mark.parametrize(
    ("tables", "size", "rule"),
    [
        ([Table("x", "object", [1])], 8, "table"),
        ([Table("x", "int8", [-1])], 0, "table"),
        ([Table("x", "int8", [1] * 5)], 8, "table"),
        ([Table("../x", "int8", [1])], 8, "table"),
        ([Table("x", "int8", [1]), Table("x", "int8", [1])], 16, "table"),
        ([Table("x", "int64", [2])], 8, "bytes"),
        ([Table("x", "int64", [1])], 16, "bytes"),
        ([Table("x", "int64", [2**40, 2**40])], 8, "bytes"),
        ([], 8, "bytes"),
    ],
)
def test_tables_that_do_not_fit_are_refused_before_anything_of_their_size_is_made(tables, size, rule):
    with pytest.raises(ProtocolError) as refused:
        unpack(tables, bytes(size))
    assert refused.value.rule == rule


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_must_be_finite(dtype, value):
    with pytest.raises(ProtocolError) as refused:
        unpack(*pack({"x": np.array([1, value], DTYPES[dtype])}))
    assert refused.value.rule == "finite"


def test_only_plain_numbers_are_packed():
    with pytest.raises(ProtocolError, match="allowed"):
        pack({"x": np.array(["text"])})


def test_expect_names_what_is_wrong():
    layout = {"x": ("int32", (2, None))}
    expect({"x": np.zeros((2, 5), np.int32), "more": np.zeros(1)}, layout)
    for arrays_, words in [
        ({}, "missing"),
        ({"x": np.zeros((3, 5), np.int32)}, "shape"),
        ({"x": np.zeros((2, 5))}, "int32"),
    ]:
        with pytest.raises(ProtocolError, match=words):
            expect(arrays_, layout)
