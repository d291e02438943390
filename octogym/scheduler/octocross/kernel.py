"""The encoder's blocks, compiled: what `encoder.Block` says in torch, for one cluster without missing nodes.

Plain functions over float32 arrays that they know by address. Time is innermost and padded to whole vectors, so that
everything runs along vectors of times and nothing is transposed or summed across one. What stands in the padding is
finite and never read by a time that counts.
"""

from __future__ import annotations

import numba

from octogym.scheduler.octocross.lanes import (
    LANES,
    add,
    divide,
    exp,
    float32,
    int32,
    larger,
    load,
    muladd,
    multiply,
    put_float32,
    put_int32,
    root,
    spread,
    spread_at,
    store,
    subtract,
)

inner = numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
FLOAT = 4  # bytes
_EPSILON = 1e-5  # of the norms, as torch's


def encode(z, q, kv, scratch, weights, views, nodes, stride, count, seen, blocks, width, heads, hidden, times):
    """All blocks, on `z` float32 [count, width, padded] in place; of the last block its last vector of times alone.

    `views` [3, count, seen]: of node i and whom it looks at, the nodes int32 [seen] at `nodes` + i * `stride` (0: all
    look at the same). `weights`: the blocks', one after the other, as `Inference` packs them. `hidden`: width of the
    feed-forward part. Room to work in: `q` as z, `kv` twice as large, `scratch` of (7 width + hidden) padded + 16 max(
    seen, times) + seen. Returns 0.
    """
    padded = (times + LANES - 1) // LANES * LANES
    own = scratch
    joint = own + FLOAT * 3 * width * padded
    mixed = joint + FLOAT * 2 * width * padded
    inside = mixed + FLOAT * 2 * width * padded
    scores = inside + FLOAT * hidden * padded
    bias = scores + FLOAT * LANES * max(seen, times)
    for block in range(blocks):
        first = 0 if block < blocks - 1 else padded - LANES
        w_spatial = weights
        b_spatial = w_spatial + FLOAT * 3 * width * width
        w_temporal = b_spatial + FLOAT * 3 * width
        b_temporal = w_temporal + FLOAT * 3 * width * width
        w_temporal_out = b_temporal + FLOAT * 3 * width
        b_temporal_out = w_temporal_out + FLOAT * width * width
        w_spatial_out = b_temporal_out + FLOAT * width
        b_spatial_out = w_spatial_out + FLOAT * width * width
        w_views = b_spatial_out + FLOAT * width
        w_gate = w_views + FLOAT * heads * 3
        b_gate = w_gate + FLOAT * 2 * width * width
        norm1 = b_gate + FLOAT * width
        norm2 = norm1 + FLOAT * 2 * width
        w_widen = norm2 + FLOAT * 2 * width
        b_widen = w_widen + FLOAT * hidden * width
        w_narrow = b_widen + FLOAT * hidden
        b_narrow = w_narrow + FLOAT * hidden * width
        weights = b_narrow + FLOAT * width
        rest, row = FLOAT * width, FLOAT * width * padded
        for i in range(count):
            x = z + i * row
            _linear(q + i * row, w_spatial, b_spatial, x, width, width, first, padded)
            _linear(own, w_spatial + rest * width, b_spatial + rest, x, 2 * width, width, first, padded)
            _spread_out(kv, own, i, count, width, heads, first, padded)
        _over_nodes(q, kv, views, nodes, stride, w_views, bias, scores, count, seen, width, heads, first, padded)
        for i in range(count):
            x = z + i * row
            # Keys and values of all times, queries of those that are wanted.
            _linear(own, w_temporal, b_temporal, x, width, width, first, padded)
            _linear(own + row, w_temporal + rest * width, b_temporal + rest, x, 2 * width, width, 0, padded)
            _over_times(joint, own, scores, width, heads, times, first, padded)
            _linear(mixed, w_temporal_out, b_temporal_out, joint, width, width, first, padded)
            _linear(mixed + row, w_spatial_out, b_spatial_out, q + i * row, width, width, first, padded)
            _linear(joint, w_gate, b_gate, mixed, width, 2 * width, first, padded)
            _gate(x, joint, mixed, width, first, padded)
            _norm(x, norm1, width, first, padded)
            _linear(inside, w_widen, b_widen, x, hidden, width, first, padded)
            _rectify(inside, hidden, first, padded)
            _linear(joint, w_narrow, b_narrow, inside, width, hidden, first, padded)
            _add(x, joint, width, first, padded)
            _norm(x, norm2, width, first, padded)
    return 0


def product(out, x, x_step, weight, bias, rows, columns, outs):
    """out [rows, outs] = x [rows, columns] weight [columns, outs] + bias [outs]; x's rows are `x_step` apart and `outs`
    is a multiple of LANES. Returns 0."""
    for r in range(0, rows, 4):
        last = rows - 1 - r
        r1, r2, r3 = min(1, last), min(2, last), min(3, last)
        x0, o0 = r * x_step, r * outs
        x1, x2, x3 = x0 + r1 * x_step, x0 + r2 * x_step, x0 + r3 * x_step
        for o in range(0, outs, LANES):
            a0 = load(bias, o)
            a1, a2, a3 = a0, a0, a0
            for c in range(columns):
                w = load(weight, c * outs + o)
                a0 = muladd(spread_at(x, x0 + c), w, a0)
                a1 = muladd(spread_at(x, x1 + c), w, a1)
                a2 = muladd(spread_at(x, x2 + c), w, a2)
                a3 = muladd(spread_at(x, x3 + c), w, a3)
            # Past the last row the same one is written again.
            store(out, o0 + o, a0)
            store(out, o0 + r1 * outs + o, a1)
            store(out, o0 + r2 * outs + o, a2)
            store(out, o0 + r3 * outs + o, a3)
    return 0


def neighbours(views, strength, found, count, most):
    """For each of `count` nodes the `most` with the largest sum of `views` [3, count, count], itself first, the lower
    index among equals: int32 [count, most] at `found`. `strength` float32 [most] is room to work in. Returns 0."""
    for i in range(count):
        row, own = views + FLOAT * i * count, found + 4 * i * most
        put_int32(own, 0, i)
        held = 1
        for j in range(count):
            if j == i or most == 1:
                continue
            value = float32(row, j) + float32(row, count * count + j) + float32(row, 2 * count * count + j)
            if held == most and value <= float32(strength, most - 1):
                continue
            place = min(held, most - 1)
            while place > 1 and float32(strength, place - 1) < value:
                put_float32(strength, place, float32(strength, place - 1))
                put_int32(own, place, int32(own, place - 1))
                place -= 1
            put_float32(strength, place, value)
            put_int32(own, place, j)
            held = min(held + 1, most)
    return 0


@inner
def _linear(out, weight, bias, x, rows, columns, first, padded):
    """out [rows, padded] = weight [rows, columns] x [columns, padded] + bias [rows]."""
    for t in range(first, padded, LANES):
        for o in range(0, rows - 3, 4):
            w = weight + FLOAT * o * columns
            a0, a1 = spread_at(bias, o), spread_at(bias, o + 1)
            a2, a3 = spread_at(bias, o + 2), spread_at(bias, o + 3)
            for c in range(columns):
                value = load(x, c * padded + t)
                a0 = muladd(spread_at(w, c), value, a0)
                a1 = muladd(spread_at(w, columns + c), value, a1)
                a2 = muladd(spread_at(w, 2 * columns + c), value, a2)
                a3 = muladd(spread_at(w, 3 * columns + c), value, a3)
            store(out, o * padded + t, a0)
            store(out, (o + 1) * padded + t, a1)
            store(out, (o + 2) * padded + t, a2)
            store(out, (o + 3) * padded + t, a3)
        for o in range(rows // 4 * 4, rows):
            a0 = spread_at(bias, o)
            for c in range(columns):
                a0 = muladd(spread_at(weight, o * columns + c), load(x, c * padded + t), a0)
            store(out, o * padded + t, a0)


@inner
def _over_times(out, qkv, scores, width, heads, times, first, padded):
    """Attention over a node's own times: out [width, padded] of qkv [3 width, padded]."""
    size = width // heads
    for h in range(heads):
        at = FLOAT * h * size * padded
        q, k, v = qkv + at, qkv + at + FLOAT * width * padded, qkv + at + FLOAT * 2 * width * padded
        for t in range(first, padded, LANES):
            for j in range(times):
                store(scores, LANES * j, spread(0.0))
            score(scores, q, k, size, times, padded, t)
            mix(out + at, scores, softmax(scores, times), v, size, times, padded, t)


@inner
def score(scores, q, k, size, count, padded, t):
    """Adds to `scores` [count, LANES] the products of the queries from t on, q [size, padded], with each of the
    `count` keys, k [size, padded]."""
    for c in range(0, size - 3, 4):
        q0, q1 = load(q, c * padded + t), load(q, (c + 1) * padded + t)
        q2, q3 = load(q, (c + 2) * padded + t), load(q, (c + 3) * padded + t)
        for j in range(count):
            s = muladd(q0, spread_at(k, c * padded + j), load(scores, LANES * j))
            s = muladd(q1, spread_at(k, (c + 1) * padded + j), s)
            s = muladd(q2, spread_at(k, (c + 2) * padded + j), s)
            store(scores, LANES * j, muladd(q3, spread_at(k, (c + 3) * padded + j), s))
    for c in range(size // 4 * 4, size):
        q0 = load(q, c * padded + t)
        for j in range(count):
            store(scores, LANES * j, muladd(q0, spread_at(k, c * padded + j), load(scores, LANES * j)))


@inner
def mix(out, scores, part, v, size, count, padded, t):
    """`part` of the values v [size, padded], weighted by `scores` [count, LANES]: out [size, padded] from t on."""
    for c in range(0, size - 3, 4):
        a0, a1, a2, a3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
        for j in range(count):
            p = load(scores, LANES * j)
            a0 = muladd(p, spread_at(v, c * padded + j), a0)
            a1 = muladd(p, spread_at(v, (c + 1) * padded + j), a1)
            a2 = muladd(p, spread_at(v, (c + 2) * padded + j), a2)
            a3 = muladd(p, spread_at(v, (c + 3) * padded + j), a3)
        store(out, c * padded + t, multiply(a0, part))
        store(out, (c + 1) * padded + t, multiply(a1, part))
        store(out, (c + 2) * padded + t, multiply(a2, part))
        store(out, (c + 3) * padded + t, multiply(a3, part))
    for c in range(size // 4 * 4, size):
        a0 = spread(0.0)
        for j in range(count):
            a0 = muladd(load(scores, LANES * j), spread_at(v, c * padded + j), a0)
        store(out, c * padded + t, multiply(a0, part))


@inner
def _spread_out(kv, own, i, count, width, heads, first, padded):
    """Node i's keys and values, `own` [2, width, padded], to their places in `kv` [heads, padded / LANES, 2, count,
    width / heads, LANES]: what attention reads together lies together."""
    size = width // heads
    for h in range(heads):
        for t in range(first, padded, LANES):
            for part in range(2):
                at = (((h * (padded // LANES) + t // LANES) * 2 + part) * count + i) * size * LANES
                for c in range(size):
                    store(kv, at + LANES * c, load(own, (part * width + h * size + c) * padded + t))


@inner
def _over_nodes(q, kv, views, nodes, stride, w_views, bias, scores, count, seen, width, heads, first, padded):
    """Attention at each time over the nodes that each node sees; what it gives takes the place of its query in `q`
    [count, width, padded]. `kv` as `_spread_out` leaves it."""
    size = width // heads
    step, apart = size * LANES, count * seen
    for h in range(heads):
        w0, w1, w2 = float32(w_views, 3 * h), float32(w_views, 3 * h + 1), float32(w_views, 3 * h + 2)
        for t in range(first, padded, LANES):
            k = kv + FLOAT * (h * (padded // LANES) + t // LANES) * 2 * count * step
            v = k + FLOAT * count * step
            for i in range(count):
                own = q + FLOAT * ((i * width + h * size) * padded + t)
                view, others = views + FLOAT * i * seen, nodes + i * stride
                for j in range(seen):
                    drawn = w0 * float32(view, j) + w1 * float32(view, apart + j) + w2 * float32(view, 2 * apart + j)
                    put_float32(bias, j, drawn)
                for j in range(seen):
                    store(scores, LANES * j, spread_at(bias, j))
                for c in range(0, size - 3, 4):
                    q0, q1 = load(own, c * padded), load(own, (c + 1) * padded)
                    q2, q3 = load(own, (c + 2) * padded), load(own, (c + 3) * padded)
                    for j in range(seen):
                        at = int32(others, j) * step + LANES * c
                        s = muladd(q0, load(k, at), load(scores, LANES * j))
                        s = muladd(q1, load(k, at + LANES), s)
                        s = muladd(q2, load(k, at + 2 * LANES), s)
                        store(scores, LANES * j, muladd(q3, load(k, at + 3 * LANES), s))
                for c in range(size // 4 * 4, size):
                    q0 = load(own, c * padded)
                    for j in range(seen):
                        s = muladd(q0, load(k, int32(others, j) * step + LANES * c), load(scores, LANES * j))
                        store(scores, LANES * j, s)
                part = softmax(scores, seen)
                for c in range(0, size - 3, 4):
                    a0, a1, a2, a3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
                    for j in range(seen):
                        at = int32(others, j) * step + LANES * c
                        p = load(scores, LANES * j)
                        a0 = muladd(p, load(v, at), a0)
                        a1 = muladd(p, load(v, at + LANES), a1)
                        a2 = muladd(p, load(v, at + 2 * LANES), a2)
                        a3 = muladd(p, load(v, at + 3 * LANES), a3)
                    store(own, c * padded, multiply(a0, part))
                    store(own, (c + 1) * padded, multiply(a1, part))
                    store(own, (c + 2) * padded, multiply(a2, part))
                    store(own, (c + 3) * padded, multiply(a3, part))
                for c in range(size // 4 * 4, size):
                    a0 = spread(0.0)
                    for j in range(seen):
                        a0 = muladd(load(scores, LANES * j), load(v, int32(others, j) * step + LANES * c), a0)
                    store(own, c * padded, multiply(a0, part))


@inner
def softmax(scores, count):
    """Scores [count, LANES] to their exponentials, relative to the largest; returns 1 over their sum."""
    most = load(scores, 0)
    for j in range(1, count):
        most = larger(most, load(scores, LANES * j))
    total = spread(0.0)
    for j in range(count):
        p = exp(subtract(load(scores, LANES * j), most))
        total = add(total, p)
        store(scores, LANES * j, p)
    return divide(spread(1.0), total)


@inner
def _gate(x, gate, mixed, width, first, padded):
    """x + g t + (1 - g) s, with g the sigmoid of `gate`; `mixed` holds t, then s."""
    one, zero = spread(1.0), spread(0.0)
    for c in range(width):
        for t in range(first, padded, LANES):
            at = c * padded + t
            g = divide(one, add(one, exp(subtract(zero, load(gate, at)))))
            s = load(mixed, width * padded + at)
            store(x, at, add(load(x, at), muladd(g, subtract(load(mixed, at), s), s)))


@inner
def _norm(x, weights, width, first, padded):
    """Layer norm over the width, in place; `weights` [2, width]: factor and shift."""
    part, epsilon = spread(1.0 / width), spread(_EPSILON)
    for t in range(first, padded, LANES):
        total = spread(0.0)
        for c in range(width):
            total = add(total, load(x, c * padded + t))
        mean = multiply(total, part)
        square = spread(0.0)
        for c in range(width):
            away = subtract(load(x, c * padded + t), mean)
            square = muladd(away, away, square)
        factor = divide(spread(1.0), root(muladd(square, part, epsilon)))
        for c in range(width):
            value = multiply(subtract(load(x, c * padded + t), mean), factor)
            store(x, c * padded + t, muladd(value, spread_at(weights, c), spread_at(weights, width + c)))


@inner
def _rectify(x, rows, first, padded):
    zero = spread(0.0)
    for c in range(rows):
        for t in range(first, padded, LANES):
            store(x, c * padded + t, larger(load(x, c * padded + t), zero))


@inner
def _add(x, more, width, first, padded):
    for c in range(width):
        for t in range(first, padded, LANES):
            store(x, c * padded + t, add(load(x, c * padded + t), load(more, c * padded + t)))
