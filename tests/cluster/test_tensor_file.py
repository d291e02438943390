"""Named arrays in safetensors files."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from octogym.cluster.tensor_file import TensorFileError, check_arrays, decode, encode, read_tensors, write_tensors

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(7), "c": np.zeros((0, 4), np.uint8)}


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        hnp.arrays(
            st.sampled_from([np.dtype(t) for t in ("<f4", "<f8", "<i8", "<u2", "|u1", "|b1")]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read(arrays):
    found = decode(encode(arrays, "thing", {"seed": 3}))
    assert found.kind == "thing" and found.about == {"seed": 3}
    assert sorted(found.arrays) == sorted(arrays)
    for name, array in arrays.items():
        back = found.arrays[name]
        assert back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()


def test_files_go_to_and_from_the_safetensors_package(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    theirs = numpy.load_file(write_tensors(tmp_path / "ours.safetensors", ARRAYS, "x", {"k": 1}))
    assert all(np.array_equal(theirs[name], array) for name, array in ARRAYS.items())
    numpy.save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / "theirs.safetensors")
    found = read_tensors(tmp_path / "theirs.safetensors")
    assert np.array_equal(found.arrays["w"], np.ones((2, 2))) and found.kind == "" and found.about == {}


def test_equal_contents_give_equal_bytes():
    backwards = {name: ARRAYS[name] for name in sorted(ARRAYS, reverse=True)}
    assert encode(ARRAYS, "x", {"a": 1, "b": 2}) == encode(backwards, "x", {"b": 2, "a": 1})
    strided = {**ARRAYS, "b": np.asfortranarray(ARRAYS["b"])}
    assert encode(strided, "x") == encode(ARRAYS, "x")


def test_arrays_that_are_read_can_be_changed(tmp_path):
    found = read_tensors(write_tensors(tmp_path / "x", ARRAYS))
    found.arrays["b"][:] = 1


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    file = write_tensors(tmp_path / "deep" / "x.safetensors", ARRAYS)
    before = file.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_tensors(file, {"a": np.zeros(3)})
    assert file.read_bytes() == before and os.listdir(file.parent) == [file.name]


def test_a_type_without_a_place_is_refused():
    with pytest.raises(TypeError, match="w: complex128 cannot be stored"):
        encode({"w": np.zeros(2, complex)})


def damaged(change) -> bytes:
    data = encode(ARRAYS, "x", {"k": 1})
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    body = change(header) or data[8 + size :]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


DAMAGE = {
    "a hole": (lambda h: h.pop("a") and None, "overlap or leave a gap"),
    "an overlap": (lambda h: h["b"].update(data_offsets=[0, 24]), "overlap or leave a gap"),
    "a foreign type": (lambda h: h["b"].update(dtype="BF16"), "b: dtype 'BF16'; allowed: F64"),
    "another size": (lambda h: h["b"].update(shape=[2, 2]), r"b: 24 bytes for F32 of shape \[2, 2\]"),
    "a huge size": (lambda h: h["b"].update(shape=[1 << 62, 1 << 62]), "b: 24 bytes for F32"),
    "a size below 0": (lambda h: h["b"].update(shape=[-2, -3]), "b: shape"),
    "a span beyond the end": (lambda h: h["b"].update(data_offsets=[8, 99999]), "b: shape"),
    "an entry without a type": (lambda h: h["b"].pop("dtype") and None, "b: expected dtype, shape, data_offsets"),
    "more than the arrays": (lambda h: encode(ARRAYS)[-32:] + b"x", "after the last array"),
    "facts that are no JSON": (lambda h: h["__metadata__"].update({"octogym.about": "{"}), "octogym.about"),
    "facts that are no table": (lambda h: h["__metadata__"].update({"octogym.about": "[]"}), "octogym.about"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_said(what):
    change, problem = DAMAGE[what]
    with pytest.raises(TensorFileError, match=problem):
        decode(damaged(change), "policy.safetensors")


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_or_missing_byte_is_an_error_or_other_numbers_never_a_crash(at, value):
    data = encode(ARRAYS, "x", {"k": 1})
    for broken in (data[:at], data[:at] + bytes([value]) + data[at + 1 :]):
        with suppress(TensorFileError):
            decode(broken)


def test_the_message_names_the_file(tmp_path):
    file = tmp_path / "policy.safetensors"
    with pytest.raises(TensorFileError, match=r"policy.safetensors: cannot be read: No such file"):
        read_tensors(file)
    file.write_bytes(b"PK\x03\x04 not at all")
    with pytest.raises(TensorFileError, match=r"policy.safetensors: damaged or no safetensors file"):
        read_tensors(file)
    write_tensors(file, {}, "fcpo")
    with pytest.raises(TensorFileError, match=r"holds 'fcpo'; expected 'ppo' or 'bcedge'"):
        read_tensors(file, "ppo", "bcedge")
    assert read_tensors(file, "fcpo").kind == "fcpo" and isinstance(file, Path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"b": None}, "lacks b"),
        ({"z": np.zeros(1)}, "holds z, which nothing here takes; expected a, b, c"),
        ({"b": np.zeros((3, 2))}, r"b has shape \(3, 2\); expected \(2, 3\)"),
        ({"b": np.full((2, 3), np.nan)}, "b holds values that are not finite"),
    ],
)
def test_other_arrays_than_expected_are_refused(change, problem):
    shapes = {name: array.shape for name, array in ARRAYS.items()}
    check_arrays("x", ARRAYS, shapes)
    arrays = {name: array for name, array in {**ARRAYS, **change}.items() if array is not None}
    with pytest.raises(TensorFileError, match=problem):
        check_arrays("x", arrays, shapes)
