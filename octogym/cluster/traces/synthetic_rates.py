"""Synthetic 5G bandwidth: a radio that switches between outage, poor, medium and good, second by second.

Regimes and their switching were measured on the 1 Hz series (``benchmarks/traces/fit.py`` prints these figures): outage
below 0.1, poor to 5, medium to 60 Mbit/s, good above. Within a regime the logarithm of the rate wanders.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple, Sequence, Tuple

import numpy as np

from octogym.cluster.traces.draw import Draws
from octogym.cluster.traces.rules import outages
from octogym.cluster.traces.series import NS, RateSeries

OUTAGE, POOR, MEDIUM, GOOD = range(4)
# Most outages last a second or two, a few much longer. The measured chance to stay in one (0.45 static, 0.42 moving) is
# both; the tables below hold what is left of it for the short ones.
_LONG_OUTAGES = 0.025
_LONG_OUTAGE_S = 14.0  # mean length beyond the first second
_MEMORY = 0.8  # of the logarithm of the rate from one second to the next
_PLACE_S = 90.0  # mean time until the cell or the place changes, from a better one to a worse or back
_MOST_LEAVING = np.array([0.8, 0.5, 0.5, 0.5])


class Radio(NamedTuple):
    """One kind of device.

    Attributes:
        switching: chance [from][to] per second, rows that sum to 1.
        log_mean, log_deviation: of the rate in Mbit/s while poor, medium, good.
        ceiling: greatest rate in Mbit/s.
        contrast: by which share of the mean a better place is better and a worse one worse.
    """

    switching: Tuple[Tuple[float, float, float, float], ...]
    log_mean: Tuple[float, float, float]
    log_deviation: Tuple[float, float, float]
    ceiling: float
    contrast: float


STATIC = Radio(
    (
        (0.200, 0.180, 0.575, 0.045),
        (0.064, 0.596, 0.305, 0.035),
        (0.027, 0.031, 0.852, 0.090),
        (0.036, 0.013, 0.077, 0.874),
    ),
    (0.11, 3.04, 4.94),
    (1.16, 0.57, 0.46),
    330.0,
    0.7,
)
MOVING = Radio(
    (
        (0.200, 0.325, 0.463, 0.012),
        (0.081, 0.605, 0.313, 0.001),
        (0.030, 0.088, 0.862, 0.020),
        (0.048, 0.015, 0.077, 0.860),
    ),
    (0.71, 2.53, 4.96),
    (0.87, 0.54, 0.47),
    450.0,
    0.9,
)


def synthetic_rates(
    name: str, radio: Radio, mean_mbit_per_s: float, duration_s: int, seed: int, outage: float = 1.0
) -> RateSeries:
    """A bandwidth series with one piece per second; the same arguments give the same bytes.

    Args:
        mean_mbit_per_s: expected mean; it decides how often the radio is good.
        outage: factor on the chance that an outage begins.
    """
    draws = Draws(seed, name)
    places = [_towards(radio, mean_mbit_per_s * (1 + sign * radio.contrast)) for sign in (-1, 1)]
    expected = float(np.mean([_expected(switching, radio) for switching in places]))
    for switching in places:
        switching[POOR:, OUTAGE] *= outage
        switching /= switching.sum(axis=1, keepdims=True)
    moves = draws.take(duration_s) < 1 / _PLACE_S
    regime = _regimes(places, np.cumsum(moves) % 2, draws)
    wander = draws.normal(duration_s)
    for second in range(1, duration_s):
        wander[second] = _MEMORY * wander[second - 1] + np.sqrt(1 - _MEMORY**2) * wander[second]
    level = np.append(-np.inf, radio.log_mean)[regime]
    rates = np.exp(level + np.append(0.0, radio.log_deviation)[regime] * wander) * mean_mbit_per_s / expected
    bit_per_s = outages(1e3 * np.floor(1e3 * np.minimum(rates, radio.ceiling)))
    source = f"synthetic:seed={seed},mean={mean_mbit_per_s:g} Mbit/s,outage={outage:g}"
    return RateSeries(name, np.arange(duration_s) * NS, bit_per_s, duration_s * NS, source)


def _regimes(places: Sequence[np.ndarray], place: np.ndarray, draws: Draws) -> np.ndarray:
    """Regime of each second, int64; a chain that begins medium, switches as its place does, with some long outages."""
    chances = [np.cumsum(switching, axis=1).tolist() for switching in places]
    draw, long_one = draws.take(len(place)), draws.take(len(place))
    length = draws.erlang(1, len(place), _LONG_OUTAGE_S)
    regime = np.full(len(place), MEDIUM)
    second = 1
    while second < len(place):
        chance = chances[place[second]][regime[second - 1]]
        state = min(GOOD, bisect_right(chance, draw[second]))
        begins = state == OUTAGE and regime[second - 1] != OUTAGE
        seconds = 1 + int(length[second]) if begins and long_one[second] < _LONG_OUTAGES else 1
        regime[second : second + seconds] = state
        second += seconds
    return regime


def _towards(radio: Radio, mean: float) -> np.ndarray:
    """The switching matrix whose share of good seconds gives the wanted mean, as near as it can (bisection)."""
    low, high = -5.0, 5.0
    for _ in range(30):
        middle = (low + high) / 2
        matrix = np.array(radio.switching)
        matrix[:GOOD, GOOD] *= np.exp(middle)
        matrix[GOOD, OUTAGE:GOOD] *= np.exp(-middle)
        # The rest is the chance to stay: at least one half, in an outage as before.
        np.fill_diagonal(matrix, 0.0)
        matrix *= np.minimum(1.0, _MOST_LEAVING / matrix.sum(axis=1))[:, None]
        np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
        if _expected(matrix, radio) < mean:
            low = middle
        else:
            high = middle
    return matrix


def _expected(switching: np.ndarray, radio: Radio) -> float:
    """Mean rate in Mbit/s in the long run, long outages included."""
    share = np.linalg.matrix_power(switching, 256)[MEDIUM]
    share[OUTAGE] += share[POOR:] @ switching[POOR:, OUTAGE] * _LONG_OUTAGES * _LONG_OUTAGE_S
    means = np.exp(np.array(radio.log_mean) + np.array(radio.log_deviation) ** 2 / 2)
    return float(share[POOR:] @ means / share.sum())
