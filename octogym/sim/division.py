"""Division of numbers that are not negative: without what Python's rules for signs would cost."""

from __future__ import annotations

import numpy as np

from octogym.sim.jit import small


@small
def quotient(a, b):
    return np.int64(np.uint64(a) // np.uint64(b))
