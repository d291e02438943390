"""The 8-64-48 network with cascaded heads, forward and backward by hand (published code; LayerNorm included)."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import numpy as np

from octogym.agents.onboard.layout import FEATURES, HIDDEN, STATE, Blocks, Layout

#: LayerNorm's usual constant.
NORM_EPS = 1e-5
#: Sums of exponentials below this have lost digits.
FAINT = 1e-20


class Network:
    """n agents with the parameters `blocks`, each on T observations. Every result stands until the next `forward`.

    One agent with one observation is computed on vectors, with half of NumPy's overhead and the same bits.
    """

    def __init__(self, layout: Layout, blocks: Blocks, t: int) -> None:
        n, dtype = len(blocks.w1), blocks.w1.dtype
        first = layout.heads[0]
        cascade = 0 if layout.reduced else first

        def room(width: int) -> np.ndarray:
            return np.zeros((n, t, width), dtype)

        self._layout, self._first, self._whole = layout, first, blocks
        # The leading ones multiply the biases.
        self._x0, self._x1, self._z = room(1 + STATE), room(1 + HIDDEN), room(1 + FEATURES + cascade)
        for array in (self._x0, self._x1, self._z):
            array[..., 0] = 1
        self._h2, self._hat, self._scale = room(FEATURES), room(FEATURES), room(1)
        # Squares and, after them, what LayerNorm adds to their mean.
        self._squares = room(FEATURES + 1)
        self._squares[..., FEATURES] = NORM_EPS
        self._y1, self._y2 = room(first + 1), room(sum(layout.heads[1:]))
        #: [n, T, outputs]: the heads' probabilities, one head after the other.
        self.p = room(layout.outputs)
        #: [n, T, 8]: the observations.
        self.state = self._x0[..., 1:]
        #: [n, T].
        self.value = self._y1[..., first]
        self._bind(n == t == 1)

    def _bind(self, single: bool) -> None:
        """Views that `forward` works on; vectors if there is a single observation."""

        def bare(array: np.ndarray) -> np.ndarray:
            return array[0, 0] if single else array

        first, dtype = self._first, self.p.dtype
        self._product: Any = np.dot if single else np.matmul
        self._blocks = Blocks(*(block[0] for block in self._whole)) if single else self._whole
        self._gain, self._shift = (bare(self._whole.gain), bare(self._whole.shift))
        self._in0, self._in1, self._in2 = bare(self._x0), bare(self._x1), bare(self._z)
        self._features = self._in2[..., : 1 + FEATURES]
        self._h1, self._x = self._in1[..., 1:], self._features[..., 1:]
        self._p1, self._chances1 = self._in2[..., 1 + FEATURES :], bare(self.p)[..., :first]
        self._a2, self._centred, self._square = bare(self._h2), bare(self._hat), bare(self._squares)
        self._only_squares = self._square[..., :FEATURES]
        self._spread = self._scale.reshape(()) if single else self._scale
        column: Tuple[int, ...] = () if single else (1,)
        self._average: np.ndarray = np.full((FEATURES, *column), 1 / FEATURES, dtype)
        self._average_and_eps: np.ndarray = np.append(np.full(FEATURES, 1 / FEATURES, dtype), dtype.type(1))
        self._average_and_eps = self._average_and_eps.reshape(FEATURES + 1, *column)
        self._out1, self._out2 = bare(self._y1), bare(self._y2)
        # NumPy takes an array faster than a Python number.
        self._zero = np.zeros((), dtype)
        heads = self._layout.heads
        self._softmax1 = _Softmax(self._out1[..., :first], self._chances1, heads[:1], self._product)
        self._softmax2 = _Softmax(self._out2, bare(self.p)[..., first:], heads[1:], self._product)

    def forward(self, state: np.ndarray) -> None:
        """Probabilities and values of observations [n, T, 8]."""
        product, h1, h2, zero, blocks = self._product, self._h1, self._a2, self._zero, self._blocks
        self.state[...] = state
        product(self._in0, blocks.w1, h1)
        np.maximum(h1, zero, out=h1)
        product(self._in1, blocks.w2, h2)
        if self._layout.reduced:
            np.maximum(h2, zero, out=self._x)
        else:
            np.maximum(h2, zero, out=h2)
            self._normalise(h2)
        product(self._features, blocks.first, self._out1)
        self._softmax1()
        if not self._layout.reduced:
            self._p1[...] = self._chances1
            product(self._in2, blocks.second, self._out2)
            self._softmax2()

    def _normalise(self, h2: np.ndarray) -> None:
        hat, spread, squares, x = self._centred, self._spread, self._only_squares, self._x
        self._product(h2, self._average, spread)
        np.subtract(h2, spread, hat)
        np.multiply(hat, hat, squares)
        self._product(self._square, self._average_and_eps, spread)
        np.sqrt(spread, spread)
        np.divide(hat, spread, hat)
        np.multiply(hat, self._gain, x)
        np.add(x, self._shift, x)

    def backward(self, grad_p: np.ndarray, grad_value: np.ndarray, grad: Blocks) -> None:
        """Write the gradient of a loss into `grad` (views of a flat vector), given its gradients with respect to
        `p` [n, T, outputs] and `value` [n, T] of the last `forward`."""
        layout, first, blocks = self._layout, self._first, self._whole
        grad_z = np.zeros_like(self._z)
        grad_p1 = grad_p[..., :first]
        if not layout.reduced:
            grad_y2 = np.empty_like(self._y2)
            for at, width in zip(layout.offsets[1:], layout.heads[1:]):
                part = slice(at, at + width)
                grad_y2[..., at - first : at - first + width] = _softmax_backward(self.p[..., part], grad_p[..., part])
            np.matmul(_t(self._z), grad_y2, grad.second)
            np.matmul(grad_y2, _t(blocks.second), grad_z)
            grad_p1 = grad_p1 + grad_z[..., 1 + FEATURES :]
        grad_y1 = np.empty_like(self._y1)
        grad_y1[..., :first] = _softmax_backward(self.p[..., :first], grad_p1)
        grad_y1[..., first] = grad_value
        np.matmul(_t(self._z[..., : 1 + FEATURES]), grad_y1, grad.first)
        grad_x = grad_z[..., 1 : 1 + FEATURES] + np.matmul(grad_y1, _t(blocks.first[:, 1:]))
        grad_h2 = grad_x if layout.reduced else self._normalise_backward(grad_x, grad)
        grad_h2 *= (self._z[..., 1 : 1 + FEATURES] if layout.reduced else self._h2) > 0
        np.matmul(_t(self._x1), grad_h2, grad.w2)
        grad_h1 = np.matmul(grad_h2, _t(blocks.w2[:, 1:]))
        grad_h1 *= self._x1[..., 1:] > 0
        np.matmul(_t(self._x0), grad_h1, grad.w1)

    def _normalise_backward(self, grad_x: np.ndarray, grad: Blocks) -> np.ndarray:
        hat = self._hat
        grad.shift[...] = grad_x.sum(1, keepdims=True)
        grad.gain[...] = (grad_x * hat).sum(1, keepdims=True)
        grad_hat: np.ndarray = grad_x * self._whole.gain
        along = (grad_hat * hat).mean(-1, keepdims=True)
        grad_hat -= grad_hat.mean(-1, keepdims=True)
        grad_hat -= hat * along
        grad_hat /= self._scale
        return grad_hat


class _Softmax:
    """Softmax of heads that lie one after the other: `logits` [..., sum of widths] into `p` of that shape."""

    def __init__(self, logits: np.ndarray, p: np.ndarray, widths: Sequence[int], product: Any) -> None:
        self._logits, self._p, self._product = logits, p, product
        self._parts: List[Tuple[slice, np.ndarray, np.ndarray]] = []
        # Column k of `member` adds up head k.
        self._member = np.zeros((sum(widths), len(widths)), p.dtype)
        self._sums = np.empty((*p.shape[:-1], len(widths)), p.dtype)
        self._top = np.empty((*p.shape[:-1], 1), p.dtype)
        at = 0
        for k, width in enumerate(widths):
            part = slice(at, at + width)
            self._member[part, k] = 1
            self._parts.append((part, p[..., part], self._sums[..., k : k + 1]))
            at += width
        p[...] = 1
        self._fixed = max(widths, default=1) == 1

    def __call__(self) -> None:
        if self._fixed:
            return
        p, sums = self._p, self._sums
        # One shift for all heads, so that few calls do.
        np.maximum.reduce(self._logits, axis=-1, out=self._top, keepdims=True)
        np.subtract(self._logits, self._top, p)
        np.exp(p, p)
        self._product(p, self._member, sums)
        if (min(sums.tolist()) if sums.ndim == 1 else sums.min()) < FAINT:
            self._repair()
        for _, part, total in self._parts:
            np.divide(part, total, part)

    def _repair(self) -> None:
        """Heads whose logits are so far below another head's that the common shift has left too little of them."""
        for part, p, total in self._parts:
            logits, faint = self._logits[..., part], total < FAINT
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            np.copyto(p, weights, where=faint)
            np.copyto(total, weights.sum(-1, keepdims=True), where=faint)


def _softmax_backward(p: np.ndarray, grad_p: np.ndarray) -> np.ndarray:
    weighted: np.ndarray = p * grad_p
    weighted -= p * weighted.sum(-1, keepdims=True)
    return weighted


def _t(array: np.ndarray) -> np.ndarray:
    return array.swapaxes(-1, -2)
