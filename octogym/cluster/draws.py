"""Counter-based randomness: one draw for a key, whatever the order of events (docs/contract.md, Randomness).

A key is a 64-bit word folded from integers: `fold(fold(seed_key(3), OBJECT), camera)`. `fold` and `uniform`
hold no state, so the simulator's compiled kernel, a device node and the reference simulator of the tests
draw the same numbers for the same request. Both are plain functions of `numpy.uint64` scalars or arrays;
`octogym.sim` compiles these very functions. The mixing step is splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np

# Streams: the first word folded after the seed. A new use of randomness takes a new number, never an old one.
PHASE = np.uint64(1)  # offset of a camera's first frame; (camera)
OBJECT = np.uint64(2)  # identity of a frame's objects; (camera, frame, class, object)
CHILDREN = np.uint64(3)  # number of crops that a request yields; (object key, stage)
RECALL = np.uint64(4)  # whether an object in a packed frame is found; (object key)
SERVICE = np.uint64(5)  # exponential service times of the test options; (request key, stage, kind)
ARRIVAL = np.uint64(6)  # Poisson arrivals of the test options; (camera, frame)
ROUNDING = np.uint64(7)  # stochastic rounding of scaled object counts; (camera, frame, class)
PROGRAMME = np.uint64(8)  # load programmes, trace offsets, domain randomisation
POLICY = np.uint64(9)  # action sampling; (agent, step)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_UNIT = 1.0 / 9007199254740992.0  # 2**-53


def fold(key, word):
    """The key that follows `key` when `word` is appended; both uint64 scalars or arrays of one shape."""
    z = key + _GOLDEN * (word + _ONE)
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


def uniform(key):
    """A float64 in [0, 1) with 53 random bits for `key` (uint64 scalar or array)."""
    return np.float64(key >> _S11) * _UNIT


def _uniform_array(key):
    return (key >> _S11).astype(np.float64) * _UNIT


def key_of(seed, *words):
    """Key of `(seed, *words)` for plain Python code; integers or integer arrays that broadcast. Returns uint64."""
    parts = np.broadcast_arrays(np.asarray(seed), *[np.asarray(w) for w in words])
    shape = parts[0].shape
    # One-element arrays, not scalars: NumPy warns of the intended wrap-around for scalars only.
    key = np.zeros(max(1, int(np.prod(shape))), np.uint64)
    for part in parts:
        key = fold(key, part.astype(np.uint64).reshape(-1))
    return key.reshape(shape) if shape else key[0]


def uniform_of(seed, *words):
    """A float64 in [0, 1), or an array of them, for the key `(seed, *words)`."""
    key = np.asarray(key_of(seed, *words))
    values = _uniform_array(key)
    return values if values.shape else float(values)


def generator(seed, *words):
    """A NumPy generator seeded from the key `(seed, *words)`, for bulk draws outside the event loop."""
    return np.random.default_rng(int(key_of(seed, *words)))
