"""The model's decisions without torch: NumPy around the compiled encoder, several times as fast on a CPU.

`Inference` gives what `model.OctoCrossModel` gives in eval mode, to rounding, for one cluster at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from octogym.cluster.compiled import Compiled
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import LEAST_CAPACITY, VIEWS, OctoCrossConfig
from octogym.scheduler.octocross.ids import UNKNOWN

_HERE = Path(__file__).parent
_SOURCES = (_HERE / "kernel.py", _HERE / "lanes.py")
#: Of `lanes`, which only the compiler may import.
_LANES = 16
_NORM_EPSILON = 1e-5
#: Parameters of a block in the order in which the compiled encoder reads them.
_BLOCK = (
    *("spatial.weight", "spatial.bias", "temporal.weight", "temporal.bias"),
    *("temporal_out.weight", "temporal_out.bias", "spatial_out.weight", "spatial_out.bias"),
    *("view_bias.weight", "gate.weight", "gate.bias", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
    *("widen.weight", "widen.bias", "narrow.weight", "narrow.bias"),
)
#: Parameters by themselves, and linear layers outside of the blocks.
_SINGLE = ("value.weight", "value.bias", "norm.weight", "norm.bias", "spatial.positions.weight", "head.view.weight")
_NO_BIAS = "head.key"
_LAYERS = (
    *(f"spatial.views.{m}" for m in range(len(VIEWS))),
    *("temporal.weight", "temporal.value", "decoder", "head.query", _NO_BIAS),
    *(f"head.feature.{n}.{part}" for n in range(2) for part in ("first", "second", "shortcut")),
)


def _of_kernel(name: str) -> Callable[[], Any]:
    # Numba is only imported to compile.
    return lambda: getattr(import_module("octogym.scheduler.octocross.kernel"), name)


_encode = Compiled("octocross_encode", 15, _SOURCES, _of_kernel("encode"))
_product = Compiled("octocross_product", 8, _SOURCES, _of_kernel("product"))
_neighbours = Compiled("octocross_neighbours", 5, _SOURCES, _of_kernel("neighbours"))


class Outlook(NamedTuple):
    """What the model says of one cluster of N nodes.

    Attributes:
        forecast: float32 [N, Q], as `model.Prediction`'s.
        scores: float32 [N, N], as `model.Prediction`'s; 0 from and to nodes that are not there.
    """

    forecast: np.ndarray
    scores: np.ndarray


class Inference:
    """A trained model, ready to decide. Threads may share one only if they take turns.

    Args:
        config: sizes of the model.
        weights: its parameters by name, as in `OctoCrossModel.state_dict()` or a checkpoint.

    Raises:
        SchedulerError: a parameter is missing.
    """

    def __init__(self, config: OctoCrossConfig, weights: Mapping[str, Any]) -> None:
        self.config = config
        blocks = [f"blocks.{block}.{name}" for block in range(config.blocks) for name in _BLOCK]
        biases = [f"{name}.bias" for name in _LAYERS if name != _NO_BIAS]
        for name in (*_SINGLE, *blocks, *biases, *(f"{name}.weight" for name in _LAYERS)):
            if name not in weights:
                raise SchedulerError(f"weights: {name} is missing")
        # Copies: whoever trains on goes on in the same arrays.
        self._weights = {name: np.array(x, np.float32, order="C") for name, x in weights.items()}
        self._layers = {
            name: _Layer(self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias")) for name in _LAYERS
        }
        self._blocks = self._packed()
        self._padded = -(-config.history // _LANES) * _LANES
        self._time = _sinusoids(config.history, config.width)
        self._room: dict[str, np.ndarray] = {}

    def __call__(
        self, history: np.ndarray, capacity: np.ndarray, views: np.ndarray, valid: np.ndarray, ids: np.ndarray
    ) -> Outlook:
        """One decision.

        Args:
            history: [N, tau] objects per frame generated at the nodes, latest last.
            capacity: [N] objects per frame.
            views: [3, N, N] in [0, 1], in the order of `config.VIEWS`.
            valid: bool [N]: nodes that are there. What stands for the others changes nothing.
            ids: int64 [N] rows of the positional table (`ids.DeviceIds`).

        Raises:
            SchedulerError: shapes that do not fit together or the configuration.
        """
        config, nodes = self.config, len(valid)
        self._check(history, capacity, views, valid, ids)
        forecast, scores = np.zeros((nodes, config.horizon), np.float32), np.zeros((nodes, nodes), np.float32)
        there = np.flatnonzero(valid)
        if not len(there):
            return Outlook(forecast, scores)
        if len(there) < nodes:
            history, capacity, views, ids = history[there], capacity[there], views[:, there][:, :, there], ids[there]
        scale = np.maximum(capacity, LEAST_CAPACITY).astype(np.float32)[:, None]
        load = np.asarray(history, np.float32) / scale
        pairs = np.ascontiguousarray(views, np.float32)
        s = self._spatial(pairs, ids)
        z = self._encoded(load, s, pairs, sparse=config.neighbours is not None and nodes > config.dense_nodes)
        now = load[:, -1:]
        ahead = np.maximum(now + self._linear("decoder", z), 0.0)
        said = self._head(np.concatenate((ahead, s, z, now), 1), pairs)
        if len(there) == nodes:
            return Outlook(ahead * scale, said)
        forecast[there] = ahead * scale
        scores[np.ix_(there, there)] = said
        return Outlook(forecast, scores)

    def _spatial(self, views: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """S [n, d], as `embedding.SpatialEmbedding`."""
        count = views.shape[-1]
        table = self._weights["spatial.positions.weight"]
        embedded: np.ndarray = table[np.where((ids < 0) | (ids >= len(table)), UNKNOWN, ids)]
        leaving, arriving = views.sum(-1) / np.float32(count), views.sum(-2) / np.float32(count)
        for m in range(len(VIEWS)):
            embedded = embedded + self._linear(f"spatial.views.{m}", np.stack((leaving[m], arriving[m]), 1))
        return embedded

    def _encoded(self, load: np.ndarray, s: np.ndarray, views: np.ndarray, sparse: bool) -> np.ndarray:
        """The last block's last time, [n, d]."""
        config, padded = self.config, self._padded
        count, width = len(load), config.width
        weight = np.logaddexp(0.0, self._linear("temporal.weight", s))
        mean = (weight * load).sum(0) / max(float(weight.sum()), 1e-6)
        t = self._linear("temporal.value", mean[:, None]) + self._time
        z = self._space("z", (count, width, padded))
        z[:, :, config.history :] = 0.0
        start = z[:, :, : config.history]
        np.multiply(load[:, None, :], self._weights["value.weight"], out=start)
        start += (s + self._weights["value.bias"])[:, :, None]
        start += t.T
        start -= start.mean(1, keepdims=True)
        start /= np.sqrt(np.square(start).mean(1, keepdims=True) + np.float32(_NORM_EPSILON))
        start *= self._weights["norm.weight"][:, None]
        start += self._weights["norm.bias"][:, None]
        nodes, seen, stride = np.arange(count, dtype=np.int32), count, 0
        if sparse:
            assert config.neighbours is not None
            seen = min(config.neighbours, count)
            nodes, stride = self._space("nodes", (count, seen), np.int32), 4 * seen
            most = self._space("strength", (seen,))
            _neighbours.call(views.ctypes.data, most.ctypes.data, nodes.ctypes.data, count, seen)
            views = np.take_along_axis(views, nodes[None].astype(np.int64), 2)
        hidden = config.ffn * width
        q, kv = self._space("q", (count, width, padded)), self._space("kv", (2, count, width, padded))
        size = (7 * width + hidden) * padded + _LANES * max(seen, config.history) + seen
        scratch = self._space("scratch", (size,))
        arrays = (z, q, kv, scratch, self._blocks, views, nodes)
        sizes = (stride, count, seen, config.blocks, width, config.heads, hidden, config.history)
        _encode.call(*(array.ctypes.data for array in arrays), *sizes)
        return np.ascontiguousarray(z[:, :, config.history - 1])

    def _head(self, nodes: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Scores [n, n], as `model.Head`."""
        u = self._residual("head.feature.1", self._residual("head.feature.0", nodes))
        query, key = self._linear("head.query", u), self._linear("head.key", u)
        scores = _Layer(key / np.float32(math.sqrt(key.shape[1])))(query)
        for view, weight in zip(views, self._weights["head.view.weight"][0], strict=True):
            scores += view * weight
        return scores

    def _residual(self, name: str, x: np.ndarray) -> np.ndarray:
        inside = np.maximum(self._linear(f"{name}.first", x), 0.0)
        return self._linear(f"{name}.second", inside) + self._linear(f"{name}.shortcut", x)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return self._layers[name](x)

    def _space(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
        """Room that is kept from decision to decision."""
        if name not in self._room or self._room[name].shape != shape:
            self._room[name] = np.empty(shape, dtype)
        return self._room[name]

    def _packed(self) -> np.ndarray:
        """The blocks' parameters, one after the other; queries carry their factor."""
        width, heads = self.config.width, self.config.heads
        parts = []
        for block in range(self.config.blocks):
            for name in _BLOCK:
                part = self._weights[f"blocks.{block}.{name}"]
                if name.startswith(("spatial.", "temporal.")):
                    part = part.copy()
                    part[:width] *= np.float32((width // heads) ** -0.5)
                parts.append(part.ravel())
        return np.concatenate(parts)

    def _check(self, history: Any, capacity: Any, views: Any, valid: Any, ids: Any) -> None:
        n = len(valid)
        wanted = {
            "history": (history, (n, self.config.history)),
            "capacity": (capacity, (n,)),
            "views": (views, (len(VIEWS), n, n)),
            "valid": (valid, (n,)),
            "ids": (ids, (n,)),
        }
        for name, (value, shape) in wanted.items():
            if value.shape != shape:
                raise SchedulerError(f"{name} {value.shape}: expected {shape}")
        if valid.dtype != bool:
            raise SchedulerError(f"valid: expected an array of bool, not {valid.dtype}")


class _Layer:
    """A linear layer, compiled: NumPy's threads for matrix products spin, which costs a busy machine more than they
    save at these sizes."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray | None = None) -> None:
        self._outs, self._columns = weight.shape
        padding = -self._outs % _LANES
        self._weight = np.ascontiguousarray(np.pad(weight.T, ((0, 0), (0, padding))), np.float32)
        self._bias = np.zeros(self._outs + padding, np.float32)
        if bias is not None:
            self._bias[: self._outs] = bias

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float32 [rows, outs] of float32 [rows, columns], whose columns lie side by side."""
        rows, outs = len(x), len(self._bias)
        out = np.empty((rows, outs), np.float32)
        arrays = (x.ctypes.data, x.strides[0] // x.itemsize, self._weight.ctypes.data, self._bias.ctypes.data)
        _product.call(out.ctypes.data, *arrays, rows, self._columns, outs)
        return out[:, : self._outs]


def _sinusoids(steps: int, width: int) -> np.ndarray:
    """As `embedding.sinusoids`, float32 [steps, width]."""
    rate = np.exp(np.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = np.arange(steps)[:, None] * rate
    return np.stack((np.sin(angle), np.cos(angle)), -1).reshape(steps, width).astype(np.float32)
