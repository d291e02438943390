"""Counter-based draws: known values, independence of form, and that they look random."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octogym.cluster import draws

MASK = (1 << 64) - 1
word = st.integers(0, MASK)


def fold(key: int, value: int) -> int:
    """splitmix64's mixing step in Python's whole numbers."""
    z = (key + 0x9E3779B97F4A7C15 * (value + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_first_words_of_splitmix64() -> None:
    # fold(0, k) is word k of the published generator seeded with 0
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(draws.key_of(k)) for k in range(3)] == expected


@given(seed=word, words=st.lists(word, max_size=4))
def test_keys_are_folds(seed: int, words: list) -> None:
    key = fold(0, seed)
    for value in words:
        key = fold(key, value)
    assert int(draws.key_of(np.uint64(seed), *[np.uint64(value) for value in words])) == key


@given(key=word)
def test_uniform_uses_the_top_53_bits(key: int) -> None:
    value = float(draws.uniform(np.uint64(key)))
    assert value == (key >> 11) * 2.0**-53
    assert 0 <= value < 1


def test_arrays_give_what_scalars_give() -> None:
    cameras, frames = np.arange(5)[:, None], np.arange(7)
    table = draws.uniform_of(3, draws.OBJECT, cameras, frames)
    assert table.shape == (5, 7)
    for c in range(5):
        for k in range(7):
            assert table[c, k] == draws.uniform_of(3, draws.OBJECT, c, k)


def test_order_of_words_and_streams_matter() -> None:
    assert draws.key_of(1, 2, 3) != draws.key_of(1, 3, 2)
    assert draws.key_of(1, draws.PHASE, 0) != draws.key_of(1, draws.OBJECT, 0)
    assert draws.key_of(1) != draws.key_of(1, 0)


def test_streams_have_numbers_of_their_own() -> None:
    streams = [value for name, value in vars(draws).items() if name.isupper() and not name.startswith("_")]
    assert len({int(value) for value in streams}) == len(streams) >= 9


def test_uniforms_are_uniform_and_uncorrelated() -> None:
    values = draws.uniform_of(0, draws.PROGRAMME, np.arange(100_000))
    n = len(values)
    counts = np.histogram(values, 64, (0, 1))[0]
    chi_squared = ((counts - n / 64) ** 2 / (n / 64)).sum()
    assert abs(chi_squared - 63) < 5 * np.sqrt(2 * 63)
    for lag in (1, 2, 64):
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 5 / np.sqrt(n)
    neighbours = draws.uniform_of(1, draws.PROGRAMME, np.arange(100_000))
    assert abs(np.corrcoef(values, neighbours)[0, 1]) < 5 / np.sqrt(n)


def test_generator_is_seeded_by_its_key() -> None:
    a, b = draws.generator(1, 2, 3), draws.generator(1, 2, 3)
    assert np.array_equal(a.random(5), b.random(5))
    assert not np.array_equal(draws.generator(1, 2, 4).random(5), draws.generator(1, 2, 3).random(5))


def test_another_process_draws_the_same() -> None:
    code = "from octogym.cluster import draws; print(int(draws.key_of(7, 1, 2)), draws.uniform_of(7, 1, 2))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(out[0]) == int(draws.key_of(7, 1, 2))
    assert float(out[1]) == draws.uniform_of(7, 1, 2)


@pytest.mark.parametrize("seed", [0, 2**63, MASK])
def test_large_seeds_wrap_without_a_warning(seed: int) -> None:
    assert 0 <= draws.uniform_of(np.uint64(seed), 5) < 1
