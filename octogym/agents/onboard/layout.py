"""Where an iAgent's named arrays lie in one flat vector, and how they start.

A layer's bias is the row before its weights, so that one product with an input that begins with 1 does both. The
value head shares a block with the first action head, the other two heads share one: four products in all.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Sequence, Tuple

import numpy as np

from octogym.agents.onboard.errors import IAgentError

STATE, HIDDEN, FEATURES = 8, 64, 48
#: Parts of the network that federation shares whatever the action sizes, and that fine-tuning leaves alone.
BACKBONE, VALUE = "backbone.", "value."


class Blocks(NamedTuple):
    """Views of flat parameters (or gradients) as the network multiplies them; n agents."""

    w1: np.ndarray  # [n, 1 + 8, 64]
    w2: np.ndarray  # [n, 1 + 64, 48]
    gain: np.ndarray  # [n, 1, 48]; [n, 1, 0] without LayerNorm
    shift: np.ndarray  # [n, 1, 48]; [n, 1, 0] without LayerNorm
    first: np.ndarray  # [n, 1 + 48, N + 1]: resolution (or joint) head and, last, the value
    second: np.ndarray  # [n, 1 + 48 + R, B + M]; [n, 0, 0] with a joint head


class Layout:
    """Names, shapes and places of the parameters for action sizes (R, B, M) and a variant.

    Raises:
        IAgentError: sizes that are not three positive integers.
    """

    def __init__(self, sizes: Sequence[int], variant: str) -> None:
        self.sizes: Tuple[int, int, int] = check_sizes(sizes)
        self.reduced = variant == "reduced"
        r, b, m = self.sizes
        #: Outputs of each action head, and where each begins in their concatenation.
        self.heads: Tuple[int, ...] = (r * b * m,) if self.reduced else (r, b, m)
        self.offsets: Tuple[int, ...] = (0,) if self.reduced else (0, r, r + b)
        self.outputs = sum(self.heads)
        self._widths = {
            "w1": (1 + STATE, HIDDEN),
            "w2": (1 + HIDDEN, FEATURES),
            "gain": (1, 0 if self.reduced else FEATURES),
            "shift": (1, 0 if self.reduced else FEATURES),
            "first": (1 + FEATURES, self.heads[0] + 1),
            "second": (0, 0) if self.reduced else (1 + FEATURES + r, b + m),
        }
        #: Length of the flat vector.
        self.size = sum(rows * columns for rows, columns in self._widths.values())
        probe = self.views(np.arange(self.size)[None])
        #: Name -> shape, without the axis of agents.
        self.shapes: Dict[str, Tuple[int, ...]] = {name: view.shape[1:] for name, view in probe.items()}
        self.names: Tuple[str, ...] = tuple(self.shapes)
        #: intp [size]: which named array (by its place in `names`) each element belongs to.
        self.owner = np.empty(self.size, np.intp)
        for k, view in enumerate(probe.values()):
            self.owner[view] = k
        #: Names of the action heads' arrays: all that fine-tuning touches.
        self.head_names = tuple(name for name in self.names if not name.startswith((BACKBONE, VALUE)))

    def blocks(self, flat: np.ndarray) -> Blocks:
        """Views of `flat` [n, size]."""
        views, at = [], 0
        for rows, columns in self._widths.values():
            views.append(flat[:, at : at + rows * columns].reshape(len(flat), rows, columns))
            at += rows * columns
        return Blocks(*views)

    def views(self, flat: np.ndarray) -> Dict[str, np.ndarray]:
        """Name -> view of `flat` [n, size], with the leading axis of agents."""
        blocks = self.blocks(flat)
        first = self.heads[0]
        named = {
            "backbone.w1": blocks.w1[:, 1:],
            "backbone.b1": blocks.w1[:, 0],
            "backbone.w2": blocks.w2[:, 1:],
            "backbone.b2": blocks.w2[:, 0],
        }
        if not self.reduced:
            named["backbone.gain"] = blocks.gain[:, 0]
            named["backbone.shift"] = blocks.shift[:, 0]
        named["value.w"] = blocks.first[:, 1:, first:]
        named["value.b"] = blocks.first[:, 0, first:]
        heads = [("joint" if self.reduced else "resolution", blocks.first[:, :, :first])]
        if not self.reduced:
            heads.append(("batch", blocks.second[:, :, : self.sizes[1]]))
            heads.append(("threads", blocks.second[:, :, self.sizes[1] :]))
        for name, block in heads:
            named[name + ".w"] = block[:, 1:]
            named[name + ".b"] = block[:, 0]
        return named

    def initial(self, seed: int) -> np.ndarray:
        """float32 [size]: Xavier-uniform weights, zero biases, LayerNorm 1 and 0 (published code). Depends on the seed
        and the sizes only; the backbone on the seed only."""
        random = np.random.default_rng(seed)
        flat = np.zeros((1, self.size), np.float32)
        for name, view in self.views(flat).items():
            if name == "backbone.gain":
                view[:] = 1.0
            elif view.ndim == 3:
                limit = (6.0 / (view.shape[1] + view.shape[2])) ** 0.5
                view[:] = random.uniform(-limit, limit, view.shape)
        return flat[0]

    def columns(self, actions: np.ndarray) -> np.ndarray:
        """intp [..., heads]: where the chosen outputs of actions int [..., 3] stand in the concatenated heads."""
        if self.reduced:
            _, b, m = self.sizes
            return ((actions[..., :1] * b + actions[..., 1:2]) * m + actions[..., 2:]).astype(np.intp)
        return (actions + np.array(self.offsets)).astype(np.intp)

    def actions(self, indices: np.ndarray) -> np.ndarray:
        """int64 [..., 3]: the actions of chosen indices int64 [..., heads]."""
        if not self.reduced:
            return indices
        _, b, m = self.sizes
        joint = indices[..., 0]
        return np.stack([joint // (b * m), joint // m % b, joint % m], -1)

    def costs(self) -> np.ndarray:
        """float64 [outputs]: what choosing an output costs by the penalty, its index scaled to [0, 1] for resolution
        and threads."""
        r, b, m = self.sizes
        resolution = np.arange(r) / max(r - 1, 1)
        threads = np.arange(m) / max(m - 1, 1)
        if self.reduced:
            return np.broadcast_to(resolution[:, None, None] + threads, (r, b, m)).reshape(-1)
        return np.concatenate([resolution, np.zeros(b), threads])


def check_sizes(sizes: Sequence[int]) -> Tuple[int, int, int]:
    """(R, B, M) as integers, or IAgentError."""
    values = tuple(int(size) for size in sizes)
    if len(values) != 3 or min(values) < 1 or any(v != size for v, size in zip(values, sizes)):
        raise IAgentError(f"action sizes {tuple(sizes)}: expected three positive integers (R, B, M)")
    return (values[0], values[1], values[2])
