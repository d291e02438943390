"""Named arrays in and out: what does not fit is refused before anything changes."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

import numpy as np

from octogym.agents.onboard.errors import IAgentError
from octogym.agents.onboard.layout import Layout

#: Parts of a stack's state that are saved by the parameters' names.
BY_NAME = ("parameters", "first", "second")


def check_arrays(arrays: Mapping[str, Any], shapes: Mapping[str, Tuple[int, ...]]) -> Dict[str, np.ndarray]:
    """The arrays as float32, if each has a known name, its shape and finite numbers.

    Raises:
        IAgentError: naming the first array that does not fit.
    """
    checked = {}
    for name, value in arrays.items():
        if name not in shapes:
            raise IAgentError(f"array {name!r}: expected one of {', '.join(shapes)}")
        array = np.asarray(value)
        if array.dtype.kind not in "fiu" or array.shape != tuple(shapes[name]):
            raise IAgentError(f"{name}: {array.dtype} of shape {array.shape}, expected numbers of shape {shapes[name]}")
        array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise IAgentError(f"{name}: holds a value that is not finite")
        checked[name] = array
    return checked


def named(saved: Mapping[str, np.ndarray], layout: Layout) -> Dict[str, np.ndarray]:
    """Copies of a stack's arrays under their names in a file: flat vectors become `part.array`, and `sizes` tells the
    action sizes."""
    state = {"sizes": np.array(layout.sizes, np.int64)}
    for key, array in saved.items():
        if key in BY_NAME:
            state.update({key + "." + name: view.copy() for name, view in layout.views(array).items()})
        else:
            state[key] = array.copy()
    return state


def read(
    state: Mapping[str, Any], saved: Mapping[str, np.ndarray], layout: Layout, exact: bool
) -> Dict[str, np.ndarray]:
    """The reverse of `named`, checked against the shapes and types of `saved`.

    `exact`: names beyond those of `saved` are refused, too.

    Raises:
        IAgentError: a name, shape, type or number that does not fit.
    """
    expected = named(saved, layout)
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected] if exact else []
    if missing or unknown:
        raise IAgentError(
            f"state: missing {', '.join(missing) or 'nothing'}; unknown {', '.join(unknown) or 'nothing'}"
        )
    arrays = {}
    for name, like in expected.items():
        array = np.asarray(state[name])
        if array.shape != like.shape or array.dtype != like.dtype:
            raise IAgentError(
                f"state {name}: {array.dtype} of shape {array.shape}, expected {like.dtype} of shape {like.shape}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise IAgentError(f"state {name}: holds a value that is not finite")
        arrays[name] = array
    if not np.array_equal(arrays["sizes"], expected["sizes"]):
        raise IAgentError(f"state sizes: {arrays['sizes'].tolist()}, expected {list(layout.sizes)}")
    flat: Dict[str, np.ndarray] = {}
    for key, like in saved.items():
        if key in BY_NAME:
            flat[key] = np.empty_like(like)
            for name, view in layout.views(flat[key]).items():
                view[...] = arrays[key + "." + name]
        else:
            flat[key] = arrays[key]
    return flat
