"""What a step hands out, to serve again when nobody holds anything of it any more.

Sixteen views of one array take longer to make than the numbers in them, and most learners have dropped them a step
later. Whether they have is seen in the counts of references: who holds an object has counted it, who holds a view or
a part of an array has counted the array, an info counts the frame that it reads. What a user has changed about an
object (the shape of an array, a key of an info) is seen as well, and then it does not serve again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cluster.compiled import Compiled
from octogym.envs import plain
from octogym.envs.frame import Constants, Frame
from octogym.envs.lazy import LazyDict

_ABOUT_ROWS = (plain.ND, plain.DIMENSIONS, plain.STRIDES, plain.DTYPE, plain.FLAGS, plain.WEAK)
#: Steps, at most, after which it is tried again with learners that hold on to what they get.
_LONGEST = 256


def _of_words() -> Any:
    # Numba is only imported to compile.
    return import_module("octogym.envs.words").unchanged


_HERE = Path(__file__).parent
_unchanged = Compiled("unchanged", 2, (_HERE / "words.py", _HERE / "pointers.py"), _of_words)


class Handed:
    """One step's `frame` and what was made of it: `rows`, views of its observations and rewards, and `infos`, each of
    which reads the frame.

    `unheld()`: whether all of it is as if it had never been handed out.
    """

    __slots__ = ("_arrays", "_starts", "_table", "frame", "infos", "rows", "unheld", "watched")

    def __init__(self, frame: Frame, watched: bool) -> None:
        self.frame, self.watched = frame, watched
        self.rows: Sequence[np.ndarray] = ()
        self.infos: Sequence[LazyDict] = ()
        self._arrays = frame.eight, frame.reward, frame.values
        self.unheld: Callable[[], int] = _never
        if watched:
            self._watch()

    def give(self, rows: Sequence[np.ndarray], infos: Sequence[LazyDict]) -> None:
        """Before a user gets any of them, and before anything is asked of the infos."""
        self.rows, self.infos = rows, infos
        if self.watched:
            self._watch()

    def _watch(self) -> None:
        eight, reward, values = self._arrays
        rows, infos = self.rows, self.infos
        # Held here, in the frame (the observations twice) and by their views.
        counts = Counter({id(self.frame): 1 + len(infos), id(eight): 3, id(reward): 2, id(values): 2})
        counts.update(id(row.base) for row in rows)
        counts.update(map(id, rows))
        counts.update(map(id, infos))
        # A value that is replaced is not counted by its info any more.
        self._starts = [value for info in infos for value in dict.values(info)]
        counts.update(2 * [*map(id, self._starts)])
        words = [(at + plain.COUNT, count) for at, count in counts.items()]
        words += [(id(info) + plain.USED, dict.__len__(info)) for info in infos]
        for row in rows:
            words += [(id(row) + at, plain.word(id(row) + at)) for at in _ABOUT_ROWS]
            # Shape and strides themselves are the row's memory for as long as what is above has not changed.
            for first in (plain.word(id(row) + plain.DIMENSIONS), plain.word(id(row) + plain.STRIDES)):
                words += [(first + 8 * axis, plain.word(first + 8 * axis)) for axis in range(row.ndim)]
        self._table = np.array(words, np.int64)
        self.unheld = _unchanged.bound(self._table.ctypes.data, len(words), brief=True)


def _never() -> int:
    return 0


class Frames:
    """A frame for every step: a new one, or that of two steps ago. `last`: what was handed out in the last step.

    Args:
        constants, keys, E, S: of `Frame`.
        again: whether one may serve again.
    """

    def __init__(self, constants: Constants, keys: Mapping[str, None], E: int, S: int, again: bool) -> None:
        self._of, self._again = (constants, keys, E, S), again and plain.COUNTED
        self.last: Handed | None = None
        self._before: Handed | None = None
        self._wait, self._pause = 0, 1

    def next(self) -> Frame:
        handed, self._before = self._before, self.last
        if handed is not None:
            if handed.unheld():
                self.last, self._pause = handed, 1
                return handed.frame.again()
            if handed.watched:
                # Watching takes longer than making new ones: the more rarely, the longer it has been in vain.
                self._wait = self._pause = min(2 * self._pause, _LONGEST)
        self._wait -= 1
        self.last = Handed(Frame(*self._of), self._again and self._wait < 0)
        return self.last.frame
