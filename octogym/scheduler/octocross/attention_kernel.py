"""Attention and its gradients for training, compiled: `encoder.Block`'s, along the nodes or along the times.

Plain functions over float32 arrays that they know by address. A sequence's tokens may lie apart, so that nothing is
copied to turn nodes and times around; one head of one sequence is worked on at a time, vectors running along its
queries.
"""

from __future__ import annotations

from octogym.scheduler.octocross.kernel import FLOAT, inner, mix, score, softmax
from octogym.scheduler.octocross.lanes import (
    LANES,
    add,
    divide,
    float32,
    load,
    muladd,
    multiply,
    put_float32,
    root,
    spread,
    spread_at,
    store,
    subtract,
    total,
)


def attend(out, qkv, bias, room, outer, within, outer_step, within_step, step, length, width, heads):
    """out [tokens, width] of qkv [tokens, 3 width].

    `outer` x `within` sequences of `length` tokens; token j of sequence (o, i) is number o * `outer_step` + i *
    `within_step` + j * `step`. `bias` [outer, heads, length, padded], keys before queries, is added to the scores; 0:
    none. `room`: [8 width / heads + 2 length LANES / padded, padded] to work in. Returns 0.
    """
    size, padded = width // heads, (length + LANES - 1) // LANES * LANES
    one = FLOAT * size * padded
    q, k, v, said, scores = room, room + one, room + 2 * one, room + 3 * one, room + 4 * one
    _clear(room, 4 * size, padded)
    for o in range(outer):
        for i in range(within):
            first = o * outer_step + i * within_step
            for h in range(heads):
                _take(q, qkv, first, step, length, size, padded, 3 * width, h * size)
                _take(k, qkv, first, step, length, size, padded, 3 * width, width + h * size)
                _take(v, qkv, first, step, length, size, padded, 3 * width, 2 * width + h * size)
                _scale(q, size, padded)
                drawn = bias + FLOAT * (o * heads + h) * length * padded
                for t in range(0, padded, LANES):
                    _start(scores, bias, drawn, length, padded, t)
                    score(scores, q, k, size, length, padded, t)
                    mix(said, scores, softmax(scores, length), v, size, length, padded, t)
                _put(out, said, first, step, length, size, padded, width, h * size)
    return 0


def attend_back(
    back, bias_back, given, qkv, bias, room, outer, within, outer_step, within_step, step, length, width, heads
):
    """The gradient `back` of qkv, and what is added to that of the bias, `bias_back`, from the gradient `given` of
    `attend`'s out. Returns 0."""
    size, padded = width // heads, (length + LANES - 1) // LANES * LANES
    one = FLOAT * size * padded
    q, k, v, g = room, room + one, room + 2 * one, room + 3 * one
    q_back, k_back, v_back = room + 4 * one, room + 5 * one, room + 6 * one
    scores = room + 8 * one
    away = scores + FLOAT * LANES * length
    _clear(room, 4 * size, padded)
    for o in range(outer):
        for i in range(within):
            first = o * outer_step + i * within_step
            for h in range(heads):
                _take(q, qkv, first, step, length, size, padded, 3 * width, h * size)
                _take(k, qkv, first, step, length, size, padded, 3 * width, width + h * size)
                _take(v, qkv, first, step, length, size, padded, 3 * width, 2 * width + h * size)
                _take(g, given, first, step, length, size, padded, width, h * size)
                _scale(q, size, padded)
                _clear(k_back, 2 * size, padded)
                drawn = FLOAT * (o * heads + h) * length * padded
                for t in range(0, padded, LANES):
                    _start(scores, bias, bias + drawn, length, padded, t)
                    score(scores, q, k, size, length, padded, t)
                    part = softmax(scores, length)
                    for j in range(length):
                        store(away, LANES * j, spread(0.0))
                    score(away, g, v, size, length, padded, t)
                    mean = spread(0.0)
                    for j in range(length):
                        p = multiply(load(scores, LANES * j), part)
                        store(scores, LANES * j, p)
                        mean = muladd(p, load(away, LANES * j), mean)
                    for j in range(length):
                        change = multiply(load(scores, LANES * j), subtract(load(away, LANES * j), mean))
                        store(away, LANES * j, change)
                        if bias != 0:
                            at = j * padded + t
                            store(bias_back + drawn, at, add(load(bias_back + drawn, at), change))
                    for c in range(size):
                        query, gain, change = load(q, c * padded + t), load(g, c * padded + t), spread(0.0)
                        for j in range(length):
                            at = c * padded + j
                            moved = load(away, LANES * j)
                            change = muladd(moved, spread_at(k, at), change)
                            put_float32(k_back, at, float32(k_back, at) + total(multiply(moved, query)))
                            put_float32(
                                v_back, at, float32(v_back, at) + total(multiply(load(scores, LANES * j), gain))
                            )
                        store(q_back, c * padded + t, change)
                _scale(q_back, size, padded)
                _put(back, q_back, first, step, length, size, padded, 3 * width, h * size)
                _put(back, k_back, first, step, length, size, padded, 3 * width, width + h * size)
                _put(back, v_back, first, step, length, size, padded, 3 * width, 2 * width + h * size)
    return 0


@inner
def _clear(x, rows, padded):
    for at in range(0, rows * padded, LANES):
        store(x, at, spread(0.0))


@inner
def _take(x, tokens, first, step, length, size, padded, width, column):
    """`size` columns of a sequence's tokens [., width], from `column` on, to x [size, padded]."""
    for j in range(length):
        at = (first + j * step) * width + column
        for c in range(size):
            put_float32(x, c * padded + j, float32(tokens, at + c))


@inner
def _put(tokens, x, first, step, length, size, padded, width, column):
    """The other way around."""
    for j in range(length):
        at = (first + j * step) * width + column
        for c in range(size):
            put_float32(tokens, at + c, float32(x, c * padded + j))


@inner
def _scale(x, size, padded):
    """x [size, padded] over the root of its rows."""
    factor = divide(spread(1.0), root(spread(1.0 * size)))
    for at in range(0, size * padded, LANES):
        store(x, at, multiply(load(x, at), factor))


@inner
def _start(scores, bias, drawn, length, padded, t):
    """Scores begin with the bias of the queries from t on, `drawn` [length, padded], or with 0."""
    for j in range(length):
        store(scores, LANES * j, load(drawn, j * padded + t) if bias != 0 else spread(0.0))
