"""What travels in a round, and the checks that an upload must pass. Runs on a device (Python 3.8)."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import numpy as np

#: Why an upload is refused, in the order in which it is checked.
UNKNOWN, NOT_SELECTED, OLD_ROUND, FUTURE_ROUND, DUPLICATE = (
    "unknown",
    "not-selected",
    "old-round",
    "future-round",
    "twice",
)
SIZES, NAMES, SHAPES, NOT_FINITE, LOSS = "sizes", "names", "shapes", "not-finite", "loss"
REASONS = (UNKNOWN, NOT_SELECTED, OLD_ROUND, FUTURE_ROUND, DUPLICATE, SIZES, NAMES, SHAPES, NOT_FINITE, LOSS)


@dataclass(frozen=True)
class ClientSpec:
    """A client as its server knows it: the device it runs on, its head sizes (R, B, M), its parameters' shapes."""

    name: str
    device: str
    sizes: tuple[int, ...]
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Upload:
    """A client's answer to a round. `loss`: of its last local update. `parameters`: name -> float32 array."""

    client: str
    device: str
    round: int
    sizes: tuple[int, ...]
    loss: float
    parameters: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Reply:
    """A server's answer to an upload; without parameters where the round ended without a new model.

    `completed`: rounds in which the server's model has changed so far; episodes grow with it.
    """

    client: str
    round: int
    completed: int
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)


def problem_of_arrays(parameters: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """NAMES, SHAPES (also where the type is not float32) or NOT_FINITE; None where all is well."""
    if set(parameters) != set(shapes):
        return NAMES
    for name, shape in shapes.items():
        array = parameters[name]
        if not isinstance(array, np.ndarray) or array.shape != tuple(shape) or array.dtype != np.float32:
            return SHAPES
    if not all(np.isfinite(array).all() for array in parameters.values()):
        return NOT_FINITE
    return None


def problem_of_upload(
    upload: Upload,
    clients: Mapping[str, ClientSpec],
    selected: Container[str],
    answered: Container[str],
    open_round: int | None,
    last_round: int,
) -> str | None:
    """The reason of REASONS for which the upload is refused, or None.

    `open_round` is None between rounds; `last_round` is the newest round that was ever opened.
    """
    spec = clients.get(upload.client)
    if spec is None:
        return UNKNOWN
    if upload.round > last_round:
        return FUTURE_ROUND
    if open_round is None or upload.round != open_round:
        return OLD_ROUND
    if upload.client not in selected:
        return NOT_SELECTED
    if upload.client in answered:
        return DUPLICATE
    if tuple(upload.sizes) != tuple(spec.sizes) or upload.device != spec.device:
        return SIZES
    problem = problem_of_arrays(upload.parameters, spec.shapes)
    if problem is not None:
        return problem
    if not isinstance(upload.loss, (int, float)) or not math.isfinite(upload.loss):
        return LOSS
    return None
