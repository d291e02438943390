"""Named arrays in a safetensors file, with NumPy alone: what policies learned, readable on a device too.

The format is that of the `safetensors` package (8 bytes little-endian length, a JSON header, the arrays' bytes), and
files go both ways. Written here because a device has no such package and because equal arrays must give equal bytes
(the package's header does not keep the order of its metadata).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Union

import numpy as np

from octogym.cluster.errors import OctoGymError

File = Union[str, Path]
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_METADATA = "__metadata__"
#: Longest header that is read, bytes.
MAX_HEADER = 16 << 20


class TensorFileError(OctoGymError, ValueError):
    """A file of arrays that is damaged, or holds something else than what was asked for."""

    def __init__(self, file: Any, problem: str) -> None:
        super().__init__(file, problem)
        self.file, self.problem = file, problem

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


class TensorFile(NamedTuple):
    """What a file holds. `about`: the writer's plain values (JSON)."""

    arrays: Dict[str, np.ndarray]
    kind: str
    about: Dict[str, Any]


def encode(arrays: Mapping[str, np.ndarray], kind: str = "", about: Optional[Mapping[str, Any]] = None) -> bytes:
    """The file's bytes; equal contents, equal bytes.

    Raises:
        TypeError: an array's dtype has no place in the format.
    """
    stored = {name: _plain(name, arrays[name]) for name in sorted(arrays)}
    header: Dict[str, Any] = {
        _METADATA: {"octogym.kind": kind, "octogym.about": json.dumps(dict(about or {}), sort_keys=True)}
    }
    offset = 0
    for name, array in stored.items():
        span = [offset, offset + array.nbytes]
        header[name] = {"dtype": _CODES[array.dtype], "shape": list(array.shape), "data_offsets": span}
        offset = span[1]
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in stored.values())])


def decode(data: bytes, file: Any = "safetensors") -> TensorFile:
    """Arrays (copies) and metadata of a file's bytes. Everything in the header is checked before it is used.

    Raises:
        TensorFileError: damaged bytes, naming `file`.
    """
    header, body = _header(data, file)
    metadata = header.pop(_METADATA, {})
    arrays, ends = {}, []
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(file, name, entry, len(body))
        count = 1
        for size in shape:
            count *= size
        if count * dtype.itemsize != end - begin:
            raise TensorFileError(file, f"{name}: {end - begin} bytes for {entry['dtype']} of shape {list(shape)}")
        arrays[name] = np.frombuffer(body[begin:end], dtype).reshape(shape).copy()
        ends.append((begin, end))
    reached = 0
    for begin, end in sorted(ends):
        if begin != reached:
            raise TensorFileError(file, f"damaged: arrays overlap or leave a gap at byte {reached}")
        reached = end
    if reached != len(body):
        raise TensorFileError(file, f"damaged: {len(body) - reached} bytes after the last array")
    return TensorFile(arrays, *_about(file, metadata))


def write_tensors(
    file: File, arrays: Mapping[str, np.ndarray], kind: str = "", about: Optional[Mapping[str, Any]] = None
) -> Path:
    """Write a file whole or not at all (also when the process is killed); folders are made."""
    path = Path(file)
    data = encode(arrays, kind, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(str(part), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(str(part), str(path))
    finally:
        if part.exists():
            part.unlink()
    return path


def read_tensors(file: File, *kinds: str) -> TensorFile:
    """What a file holds.

    Args:
        kinds: what is expected (`"fcpo"`, `"ppo"`); any if none is given.

    Raises:
        TensorFileError: it cannot be read, is damaged, or is of another kind.
    """
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise TensorFileError(file, f"cannot be read: {error.strerror}") from error
    found = decode(data, file)
    if kinds and found.kind not in kinds:
        what = f"holds {found.kind!r}" if found.kind else "does not say what it holds"
        raise TensorFileError(file, f"{what}; expected {' or '.join(map(repr, kinds))}")
    return found


def check_arrays(file: Any, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Tuple[int, ...]]) -> None:
    """Require exactly the arrays of `shapes`, of those shapes, floats among them finite.

    Raises:
        TensorFileError: naming what is missing, foreign, misshapen or not finite.
    """
    missing, foreign = sorted(set(shapes) - set(arrays)), sorted(set(arrays) - set(shapes))
    if missing:
        raise TensorFileError(file, f"lacks {_some(missing)}")
    if foreign:
        raise TensorFileError(file, f"holds {_some(foreign)}, which nothing here takes; expected {_some(shapes)}")
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != tuple(shape):
            raise TensorFileError(file, f"{name} has shape {array.shape}; expected {tuple(shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise TensorFileError(file, f"{name} holds values that are not finite")


def _plain(name: str, array: Any) -> np.ndarray:
    array = np.asarray(array)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    if array.dtype not in _CODES:
        raise TypeError(f"{name}: {array.dtype} cannot be stored; allowed: {', '.join(map(str, _CODES))}")
    return array


def _header(data: bytes, file: Any) -> Tuple[Dict[str, Any], memoryview]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(MAX_HEADER, len(data) - 8):
        raise TensorFileError(file, "damaged or no safetensors file: its header does not fit in it")
    try:
        header = json.loads(data[8 : 8 + size].decode("utf-8"))
    except ValueError as error:
        raise TensorFileError(file, f"damaged or no safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise TensorFileError(file, "damaged or no safetensors file: its header is no table")
    return header, memoryview(data)[8 + size :]


def _entry(file: Any, name: str, entry: Any, length: int) -> Tuple[np.dtype, Tuple[int, ...], int, int]:
    keys = ("dtype", "shape", "data_offsets")
    if not isinstance(entry, dict) or any(key not in entry for key in keys):
        raise TensorFileError(file, f"{name}: expected {', '.join(keys)}")
    if entry["dtype"] not in _DTYPES:
        raise TensorFileError(file, f"{name}: dtype {entry['dtype']!r}; allowed: {', '.join(_DTYPES)}")
    shape, span = entry["shape"], entry["data_offsets"]
    if not _naturals(shape) or not _naturals(span) or len(span) != 2 or not span[0] <= span[1] <= length:
        raise TensorFileError(file, f"{name}: shape {shape!r}, bytes {span!r} of {length}")
    return np.dtype(_DTYPES[entry["dtype"]]), tuple(shape), span[0], span[1]


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value)


def _about(file: Any, metadata: Any) -> Tuple[str, Dict[str, Any]]:
    if not isinstance(metadata, dict):
        raise TensorFileError(file, f"damaged: {_METADATA} is no table")
    try:
        about = json.loads(metadata.get("octogym.about", "{}"))
    except (TypeError, ValueError) as error:
        raise TensorFileError(file, f"damaged: octogym.about: {error}") from error
    if not isinstance(about, dict):
        raise TensorFileError(file, "damaged: octogym.about is no table")
    return str(metadata.get("octogym.kind", "")), about


def _some(names: Any) -> str:
    names = sorted(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
