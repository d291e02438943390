"""Attention along the nodes or the times of Z [B, N, tau, d], compiled, with its gradients.

torch's own attention is made for heads of 64 channels and more; with the 4 of OctoCross most of a training step goes
into it. For tensors of other kinds (on a GPU, or not of float32) there is `encoder.Block`'s way with torch's means.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from octogym.cluster.compiled import Compiled
from octogym.scheduler.octocross.torch_extra import functional, torch

_HERE = Path(__file__).parent
_SOURCES = tuple(_HERE / name for name in ("attention_kernel.py", "kernel.py", "lanes.py"))
#: Of `lanes`, which only the compiler may import.
_LANES = 16


def _of_kernel(name: str) -> Callable[[], Any]:
    # Numba is only imported to compile.
    return lambda: getattr(import_module("octogym.scheduler.octocross.attention_kernel"), name)


_attend = Compiled("octocross_attend", 12, _SOURCES, _of_kernel("attend"))
_attend_back = Compiled("octocross_attend_back", 14, _SOURCES, _of_kernel("attend_back"))


def compiles(x: torch.Tensor) -> bool:
    """Whether the functions here are for such a tensor."""
    return x.device.type == "cpu" and x.dtype == torch.float32


def over_times(qkv: torch.Tensor, heads: int) -> torch.Tensor:
    """[B, N, tau, d] of queries, keys and values [B, N, tau, 3 d]: each node's times among themselves."""
    b, n, steps, _ = qkv.shape
    out: torch.Tensor = _Attention.apply(qkv, None, (b * n, 1, steps, 0, 1, steps), heads)
    return out


def over_nodes(qkv: torch.Tensor, bias: torch.Tensor, heads: int) -> torch.Tensor:
    """[B, N, tau, d] of queries, keys and values [B, N, tau, 3 d] and what is added to the scores, [B, heads, N, N]:
    the nodes among themselves, each time apart."""
    b, n, steps, _ = qkv.shape
    # Keys before queries, and those in whole vectors.
    turned = functional.pad(bias.transpose(-1, -2), (0, -n % _LANES))
    out: torch.Tensor = _Attention.apply(qkv, turned, (b, steps, n * steps, 1, steps, n), heads)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, qkv: torch.Tensor, bias: torch.Tensor | None, tokens: tuple[int, ...], heads: int
    ) -> torch.Tensor:
        qkv = qkv.contiguous()
        bias = None if bias is None else bias.contiguous()
        ctx.save_for_backward(qkv, bias)
        ctx.tokens, ctx.heads = tokens, heads
        width = qkv.shape[-1] // 3
        out = qkv.new_empty((*qkv.shape[:-1], width))
        room = _room(qkv, tokens[-1], width // heads)
        _attend.call(*_addresses(out, qkv, bias, room), *tokens, width, heads)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        qkv, bias = ctx.saved_tensors
        given, back = given.contiguous(), torch.empty_like(qkv)
        bias_back = None if bias is None else torch.zeros_like(bias)
        width = qkv.shape[-1] // 3
        room = _room(qkv, ctx.tokens[-1], width // ctx.heads)
        arrays = _addresses(back, bias_back, given, qkv, bias, room)
        _attend_back.call(*arrays, *ctx.tokens, width, ctx.heads)
        return back, bias_back, None, None


def _addresses(*tensors: torch.Tensor | None) -> tuple[int, ...]:
    return tuple(0 if x is None else x.data_ptr() for x in tensors)


def _room(like: torch.Tensor, length: int, size: int) -> torch.Tensor:
    padded = length + -length % _LANES
    return like.new_empty(8 * size * padded + 2 * length * _LANES)
