"""torch, where the extra that brings it is installed, and its optimiser's state as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from octogym.cluster.errors import MissingExtra

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def import_torch() -> Any:
    """torch.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("train", "torch") from error
    return torch


@contextmanager
def torch_threads(torch: Any, count: int) -> Iterator[None]:
    """`count` CPU threads for torch meanwhile. Another number may sum in another order and give other bytes."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def adam_arrays(optimiser: Any, weights: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Copies of Adam's moments and step counts, named `WEIGHT/exp_avg` and so on; zeros before the first step."""
    found = {}
    for name, x in weights.items():
        for part in _MOMENTS:
            kept = optimiser.state.get(x, {}).get(part)
            blank = np.zeros(() if part == "step" else tuple(x.shape), np.float32)
            found[f"{name}/{part}"] = blank if kept is None else kept.numpy().copy()
    return found


def load_adam(torch: Any, optimiser: Any, weights: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Put `adam_arrays` back."""
    for name, x in weights.items():
        optimiser.state[x] = {part: torch.from_numpy(arrays[f"{name}/{part}"].copy()) for part in _MOMENTS}
