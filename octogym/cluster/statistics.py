"""Means and intervals over seeds."""

from __future__ import annotations

from typing import Sequence, Tuple

import numpy as np

#: 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom.
_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def t_quantile(freedom: int) -> float:
    """97.5 % quantile of Student's t; from 11 degrees on by the Cornish-Fisher expansion, right to 4 digits."""
    if freedom < 1:
        raise ValueError(f"degrees of freedom {freedom}: expected at least 1")
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = 1.959964
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    return z + first + second + third


def mean_interval(values: Sequence[float]) -> Tuple[float, float]:
    """Mean of the finite values and half the width of its 95 % interval (Student's t).

    The half width is NaN for a single value; both are NaN for none.
    """
    array = np.asarray(values, float)
    array = array[np.isfinite(array)]
    if not len(array):
        return float("nan"), float("nan")
    if len(array) == 1:
        return float(array[0]), float("nan")
    return float(array.mean()), t_quantile(len(array) - 1) * float(array.std(ddof=1)) / len(array) ** 0.5


def paired_interval(values: Sequence[float], others: Sequence[float]) -> Tuple[float, float]:
    """`mean_interval` of the differences values - others, for runs on the same seeds in the same order."""
    return mean_interval(np.asarray(values, float) - np.asarray(others, float))
