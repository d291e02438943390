"""The render modes of all environments, and what they share: which mode shows what, and where."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from gymnasium import logger
from gymnasium.error import ResetNeeded

RENDER_MODES = ["human", "ansi", "rgb_array"]


class Shown(ABC):
    """Shows environment e of a core in one of `RENDER_MODES`; the core has a `frame`, None before its first reset."""

    def __init__(self, core: Any, mode: str | None) -> None:
        if mode is not None and mode not in RENDER_MODES:
            raise ValueError(f"render_mode = {mode!r}; allowed: None, {', '.join(map(repr, RENDER_MODES))}")
        self._core, self._mode = core, mode

    def render(self, e: int = 0) -> str | np.ndarray | None:
        if self._mode is None:
            logger.warn('render() does nothing without a render mode; make the environment with render_mode="ansi"')
            return None
        if self._core.frame is None:
            raise ResetNeeded("render: no episode has begun; call reset() first")
        if self._mode == "rgb_array":
            return self.picture(e)
        if self._mode == "ansi":
            return self.table(e)
        home = "\x1b[H\x1b[J" if sys.stdout.isatty() else ""
        sys.stdout.write(home + self.table(e))
        sys.stdout.flush()
        return None

    @abstractmethod
    def table(self, e: int) -> str:
        """The cluster as text."""

    @abstractmethod
    def picture(self, e: int) -> np.ndarray:
        """The cluster as a picture, uint8 [H, W, 3]."""
